-- index-not-concurrent
CREATE UNIQUE INDEX users_mail_key ON users (mail);
