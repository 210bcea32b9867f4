-- The shop that scripts/bench measures with: :customers, :orders and :items say how many.
-- Values are as hard to compress as those of a real shop: addresses and tokens look random, clocks
-- have microseconds. zstd makes about two fifths of the text.
CREATE TABLE customers (
    id        bigint NOT NULL,
    public_id uuid NOT NULL,
    email     text NOT NULL,
    name      text NOT NULL,
    address   text,
    profile   jsonb NOT NULL,
    balance   numeric(12, 2) NOT NULL,
    created   timestamptz NOT NULL
);
CREATE TABLE products (
    id    integer NOT NULL,
    sku   text NOT NULL,
    title text NOT NULL,
    price numeric(10, 2) NOT NULL
);
CREATE TABLE orders (
    id          bigint NOT NULL,
    customer_id bigint NOT NULL,
    public_id   uuid NOT NULL,
    status      text NOT NULL,
    total       numeric(12, 2) NOT NULL,
    note        text,
    placed      timestamptz NOT NULL
);
CREATE TABLE order_items (
    order_id   bigint NOT NULL,
    line       smallint NOT NULL,
    product_id integer NOT NULL,
    quantity   smallint NOT NULL,
    unit_price numeric(10, 2) NOT NULL,
    picked     timestamptz
);

INSERT INTO customers
SELECT i, md5('c' || i)::uuid, format('%s.%s@shop.example', substr(md5(i::text), 1, 8), i),
       initcap((ARRAY['anna', 'ben', 'carla', 'deniz', 'emeka', 'fatima', 'george', 'hana'])[1 + (hashint8(i) & 7)])
           || ' ' || initcap(substr(md5('n' || i), 1, 7)),
       format('%s %s street, %s', hashint8(i) & 255, substr(md5('s' || i), 1, 9), 10000 + (hashint8(i * 3) & 65535)),
       jsonb_build_object('newsletter', i % 3 = 0, 'language', (ARRAY['en', 'de', 'pl', 'pt'])[1 + i % 4],
           'tags', jsonb_build_array('t' || i % 17, 't' || i % 5), 'score', hashint8(i * 11) & 1023),
       (hashint8(i * 5) & 1048575) / 100.0, timestamptz '2024-01-01 00:00+00' + i * interval '2 minutes 7 seconds'
FROM generate_series(1, :customers) i;

INSERT INTO products
SELECT i, format('SKU-%s', upper(substr(md5(i::text), 1, 8))), format('Product %s', i), (i * 37 % 9000) / 100.0 + 1
FROM generate_series(1, 5000) i;

INSERT INTO orders
SELECT i, 1 + (hashint8(i) & 2147483647) % :customers, md5('o' || i)::uuid,
       (ARRAY['placed', 'paid', 'shipped', 'delivered', 'delivered', 'delivered', 'returned'])[1 + i % 7],
       (hashint8(i * 13) & 131071) / 100.0,
       CASE WHEN i % 4 = 0 THEN 'leave it at door ' || (hashint8(i * 17) & 63) END,
       timestamptz '2024-06-01 00:00+00' + i * interval '31 seconds'
           + (hashint8(i * 31) & 1048575) * interval '1 microsecond'
FROM generate_series(1, :orders) i;

INSERT INTO order_items
SELECT 1 + i / 3, i % 3, 1 + (hashint8(i) & 2147483647) % 5000, 1 + (hashint8(i * 3) & 3),
       (hashint8(i * 19) & 131071) / 100.0 + 1,
       timestamptz '2024-06-01 02:00+00' + (i / 3) * interval '31 seconds' + (hashint8(i * 23) & 4095) * interval '1 second'
           + (hashint8(i * 29) & 1048575) * interval '1 microsecond'
FROM generate_series(0, :items - 1) i;

ALTER TABLE customers ADD PRIMARY KEY (id), ADD UNIQUE (email);
ALTER TABLE products ADD PRIMARY KEY (id), ADD UNIQUE (sku);
ALTER TABLE orders ADD PRIMARY KEY (id);
ALTER TABLE order_items ADD PRIMARY KEY (order_id, line);
CREATE INDEX orders_customer_id ON orders (customer_id);
CREATE INDEX orders_placed ON orders (placed);
CREATE INDEX order_items_product_id ON order_items (product_id);
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;
ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE order_items ADD FOREIGN KEY (product_id) REFERENCES products;
VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
