UPDATE products SET title = 'Room' WHERE id = 7;
DELETE FROM products WHERE id IN (8, 9);
