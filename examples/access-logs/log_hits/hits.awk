# Hits and bytes of an access log in the Combined Log Format, by hour and status class. Runs in every POSIX awk.
#
#   awk -v percent=1 -f hits.awk < access.log
#
# Writes rows "hour TAB status class TAB hits TAB bytes", in no order, and at last "- TAB - TAB lines TAB 0" with the
# number of lines that are not of the format. Exits with 3 where these are more than `percent` of all.

BEGIN {
  when = "[0-3][0-9]/[A-Z][a-z][a-z]/[0-9][0-9][0-9][0-9]:[0-2][0-9]:[0-5][0-9]:[0-6][0-9] [-+][0-9][0-9][0-9][0-9]"
  text = "\"([^\"\\\\]|\\\\.)*\""  # a backslash keeps the quote after it from ending the text
  line = "^[^ ]+ [^ ]+ .+ \\[" when "\\] " text " [1-5][0-9][0-9] ([0-9]+|-) " text " " text
  offset = length("01/Jan/2026:00:00:00 +0000")
  lines = unreadable = first = 0
}

{ lines++ }

$0 !~ line {
  if (!unreadable++) first = NR
  next
}

{
  match($0, "\\[" when "\\] ")
  time = substr($0, RSTART + 1, offset)
  rest = substr($0, RSTART + RLENGTH)
  match(rest, "^" text " ")
  split(substr(rest, RLENGTH + 1), answer, " ")
  month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", substr(time, 4, 3)) + 2) / 3
  zone = substr(time, 22, 3) ":" substr(time, 25, 2)
  hour = sprintf("%s-%02d-%sT%s:00%s", substr(time, 8, 4), month, substr(time, 1, 2), substr(time, 13, 2), zone)
  key = hour "\t" substr(answer[1], 1, 1) "xx"
  hits[key]++
  bytes[key] += answer[2]  # "-" counts as nothing
}

END {
  if (unreadable * 100 > lines * percent) {
    printf "%d of %d lines are not in the Combined Log Format, the first is line %d\n", unreadable, lines, first > "/dev/stderr"
    exit 3
  }
  for (key in hits) printf "%s\t%.0f\t%.0f\n", key, hits[key], bytes[key]
  printf "-\t-\t%d\t0\n", unreadable
}
