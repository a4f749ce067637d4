"""What tap-ifs-cloud, target-powerbi and target-looker-warehouse share."""
