SELECT category, COUNT(*) AS orders, ROUND(SUM(net), 2) AS net, ROUND(SUM(gross), 2) AS gross
FROM out_lake_orders
WHERE region IN ('north', 'south')
GROUP BY category
ORDER BY category
