-- A year of business, the same on every run.
INSERT INTO customers (email, name, profile, created)
SELECT format('customer%s@shop.example', i), 'Customer ' || i,
       jsonb_build_object('newsletter', i % 3 = 0, 'city', (ARRAY['Oslo', 'Kraków', 'São Paulo', NULL])[1 + i % 4]),
       timestamptz '2026-01-01 00:00+00' + i * interval '3 minutes'
FROM generate_series(1, 20000) i;

INSERT INTO products (sku, title, price, weight_kg)
SELECT format('SKU-%s', i), 'Product ' || i, (i * 37 % 9000) / 100.0 + 1, (i * 13 % 400) / 7.0
FROM generate_series(1, 500) i;

INSERT INTO orders (customer_id, status, placed)
SELECT 1 + i * 7919 % 20000, (enum_range(NULL::order_status))[1 + i % 5],
       timestamptz '2026-01-02 00:00+00' + i * interval '2 minutes'
FROM generate_series(1, 50000) i;

INSERT INTO order_items (order_id, product_id, quantity, unit_price)
SELECT o, 1 + (o * 31 + n * 17) % 500, 1 + (o + n) % 4, ((o * 37 + n) % 9000) / 100.0 + 1
FROM generate_series(1, 50000) o, generate_series(0, 1) n;

INSERT INTO events (at, visitor, kind, detail)
SELECT timestamptz '2026-01-01 00:00+00' + i * interval '4 minutes',
       md5(i::text)::uuid, (ARRAY['view', 'search', 'buy'])[1 + i % 3],
       CASE WHEN i % 5 > 0 THEN jsonb_build_object('page', i % 97) END
FROM generate_series(1, 40000) i;

UPDATE orders SET status = 'delivered' WHERE status = 'shipped' AND id % 10 = 2;
