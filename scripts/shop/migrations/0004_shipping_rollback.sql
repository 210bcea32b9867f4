UPDATE shipping_methods SET price = round(price / 1.19, 2);
DELETE FROM shipping_methods WHERE code = 'drone';
ALTER TABLE products ALTER COLUMN weight_kg TYPE numeric(10, 2);
ALTER TABLE orders ALTER COLUMN delivery_note TYPE varchar(20) USING left(delivery_note, 20);
