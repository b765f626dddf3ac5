"""PostgreSQL: pools, the embedded server, migrations, the record of runs."""
