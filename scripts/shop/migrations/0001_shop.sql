-- Customers, products, orders.
CREATE TYPE order_status AS ENUM ('placed', 'paid', 'shipped', 'delivered', 'returned');

CREATE TABLE customers (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email   text NOT NULL UNIQUE,
    name    text NOT NULL,
    profile jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE products (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku       text NOT NULL UNIQUE,
    title     text NOT NULL,
    price     numeric(10, 2) NOT NULL CHECK (price >= 0),
    weight_kg numeric(10, 2)
);

CREATE TABLE orders (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id   bigint NOT NULL REFERENCES customers,
    status        order_status NOT NULL DEFAULT 'placed',
    delivery_note varchar(20),
    placed        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_customer_id ON orders (customer_id);

CREATE TABLE order_items (
    order_id   bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    product_id bigint NOT NULL REFERENCES products,
    quantity   integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(10, 2) NOT NULL,
    total      numeric(12, 2) GENERATED ALWAYS AS (quantity * unit_price) STORED,
    PRIMARY KEY (order_id, product_id)
);

CREATE VIEW order_totals AS
    SELECT o.id, o.customer_id, o.status, sum(i.total) AS total
    FROM orders o JOIN order_items i ON i.order_id = o.id
    GROUP BY o.id;
