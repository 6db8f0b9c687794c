CREATE TABLE readings (
    at timestamptz NOT NULL,
    meter_id bigint REFERENCES meters,
    value double precision
) PARTITION BY RANGE (at);
CREATE TABLE readings_2024 PARTITION OF readings FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (meter_id);
CREATE TABLE readings_2024_rest PARTITION OF readings_2024 DEFAULT;
CREATE TABLE readings_rest PARTITION OF readings DEFAULT;
CREATE INDEX ON readings USING brin (at);
INSERT INTO meters (namespace) VALUES ('n');
INSERT INTO readings SELECT timestamptz '2024-12-01' + i * interval '1 day', 1, i FROM generate_series(1, 60) i;
CREATE MATERIALIZED VIEW monthly AS SELECT date_trunc('month', at, 'UTC') AS month, sum(value) AS total FROM readings GROUP BY 1 WITH NO DATA;
CREATE UNIQUE INDEX monthly_month ON monthly (month);
REFRESH MATERIALIZED VIEW monthly;
