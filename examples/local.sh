# What the examples' scripts source: the application on this machine for as long as they run, under the names it has there.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$root/.venv/bin:$PATH
input=fanfold-input-123456789012-us-east-1
output=fanfold-output-123456789012-us-east-1
process=arn:aws:states:us-east-1:123456789012:stateMachine:fanfold-process

# Nobody's own settings and stacks are meant here.
unset AWS_PROFILE AWS_SESSION_TOKEN FANFOLD_STACK FANFOLD_INPUT_BUCKET FANFOLD_OUTPUT_BUCKET
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_DEFAULT_OUTPUT=json AWS_PAGER=""
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
export NO_PROXY=127.0.0.1

# fresh FOLDER: set out to an empty folder, in which an earlier run of an example may have left something, and nobody else.
fresh() {
  local mark=$1/.fanfold-example
  mkdir -p "$1"
  [[ -e $mark || -z $(ls -A "$1") ]] || fail "$1 holds something else than an example's results: name another folder"
  find "$1" -mindepth 1 -delete
  touch "$mark"
  out=$(cd "$1" && pwd)
}

# serve FOLDER [ARGUMENT...]: run `fanfold local` with these arguments until the script ends, and let aws and fanfold
# speak to it. What lies in FOLDER/bucket is in the input bucket; logs go to FOLDER/logs.
serve() {
  local folder=$1 story=$1/logs/fanfold-local.txt
  mkdir -p "$folder/bucket" "$folder/logs"
  : >"$story"
  (cd "$root" && exec fanfold local --port 0 --data "$folder/bucket" --logs "$folder/logs" "${@:2}") 2>"$story" &
  trap "kill $! 2>/dev/null || true; wait $! 2>/dev/null || true" EXIT
  until AWS_ENDPOINT_URL=$(sed -n 's/^Serving \(http[^ ]*\) .*/\1/p' "$story") && [[ $AWS_ENDPOINT_URL ]]; do
    kill -0 $! 2>/dev/null || fail "fanfold local ended: $(cat "$story")"
    sleep 0.1
  done
  export AWS_ENDPOINT_URL
}

# expect WHAT FOUND WANTED: go on only if what was found is what was wanted.
expect() {
  [[ $2 == "$3" ]] || fail "$1: found $2, wanted $3"
}

fail() {
  echo "$1" >&2
  exit 1
}
