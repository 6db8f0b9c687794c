ALTER TYPE login_kind ADD VALUE IF NOT EXISTS 'key';
ALTER TYPE login_kind ADD VALUE IF NOT EXISTS 'none' BEFORE 'password';
