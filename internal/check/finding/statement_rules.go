package finding

// IDs of the rules for statements.
const (
	IndexNotConcurrent         = "index-not-concurrent"
	DropIndexNotConcurrent     = "drop-index-not-concurrent"
	ReindexNotConcurrent       = "reindex-not-concurrent"
	RefreshNotConcurrent       = "refresh-not-concurrent"
	DetachNotConcurrent        = "detach-not-concurrent"
	ConcurrentlyFails          = "concurrently-fails"
	UnnamedConcurrentIndex     = "unnamed-concurrent-index"
	ForeignKeyValidation       = "foreign-key-validation"
	CheckValidation            = "check-validation"
	DomainConstraintValidation = "domain-constraint-validation"
	NotNullScan                = "not-null-scan"
	ConstraintIndex            = "constraint-index"
	ExclusionConstraint        = "exclusion-constraint"
	AttachPartitionScan        = "attach-partition-scan"
	VolatileDefault            = "volatile-default"
	GeneratedColumn            = "generated-column"
	ColumnTypeChange           = "column-type-change"
	TableRewrite               = "table-rewrite"
	LockHeld                   = "lock-held"
	MultipleTablesLocked       = "multiple-tables-locked"
	ExplicitLock               = "explicit-lock"
	LockTimeoutDisabled        = "lock-timeout-disabled"
	UnbatchedWrite             = "unbatched-write"
	DataLoss                   = "data-loss"
	TruncateCascade            = "truncate-cascade"
	DropCascade                = "drop-cascade"
	IncompatibleChange         = "incompatible-change"
	EnumValueUsed              = "enum-value-used"
	TriggerDisabled            = "trigger-disabled"
	PrimaryKeyDropped          = "primary-key-dropped"
	UnindexedForeignKey        = "unindexed-foreign-key"
	JSONColumn                 = "json-column"
)

// statementRules are the rules for statements.
var statementRules = []Rule{
	{
		ID: IndexNotConcurrent, Severity: Error, Title: "index build that blocks writes",
		Reason: `CREATE INDEX takes a SHARE lock: INSERT, UPDATE and DELETE wait until the index is built. CONCURRENTLY
reads the table twice and blocks neither reads nor writes. It cannot run in a transaction; the
migrator detects this and runs the file statement by statement. If the build fails, the next run
drops the invalid index and builds it again.`,
		Avoid:   "CREATE INDEX orders_user_id_idx ON orders (user_id);",
		Instead: "CREATE INDEX CONCURRENTLY orders_user_id_idx ON orders (user_id);",
	},
	{
		ID: DropIndexNotConcurrent, Severity: Warning, Title: "index drop that blocks reads and writes",
		Reason: `DROP INDEX takes an ACCESS EXCLUSIVE lock on the table. It is held only for a moment, but until the
end of the transaction. CONCURRENTLY waits for the running transactions without blocking new ones.`,
		Avoid:   "DROP INDEX orders_user_id_idx;",
		Instead: "DROP INDEX CONCURRENTLY orders_user_id_idx;",
	},
	{
		ID: ReindexNotConcurrent, Severity: Error, Title: "index rebuild that blocks writes",
		Reason: `REINDEX takes a SHARE lock on the table, and ACCESS EXCLUSIVE on each index while it is rebuilt, for
which queries that plan with the index wait.`,
		Avoid:   "REINDEX TABLE orders;",
		Instead: "REINDEX TABLE CONCURRENTLY orders;",
	},
	{
		ID: RefreshNotConcurrent, Severity: Error, Title: "refresh that blocks reads",
		Reason: `REFRESH MATERIALIZED VIEW takes an ACCESS EXCLUSIVE lock on the view while its query runs.
CONCURRENTLY lets readers continue. It needs a unique index on columns of the view.`,
		Avoid:   "REFRESH MATERIALIZED VIEW sales;",
		Instead: "REFRESH MATERIALIZED VIEW CONCURRENTLY sales;",
	},
	{
		ID: DetachNotConcurrent, Severity: Warning, Title: "partition detached under an exclusive lock",
		Reason: `DETACH PARTITION takes an ACCESS EXCLUSIVE lock on the partitioned table and on the partition.
CONCURRENTLY takes SHARE UPDATE EXCLUSIVE on the partitioned table. It is not possible if there is a
default partition.`,
		Avoid:   "ALTER TABLE events DETACH PARTITION events_2020;",
		Instead: "ALTER TABLE events DETACH PARTITION events_2020 CONCURRENTLY;",
	},
	{
		ID: ConcurrentlyFails, Severity: Error, Title: "CONCURRENTLY that always fails",
		Reason: `PostgreSQL refuses CONCURRENTLY between BEGIN and COMMIT and in a DO block, and CREATE INDEX
CONCURRENTLY on a partitioned table. For a partitioned table, create the index on ONLY the parent,
create it concurrently on each partition, and attach those. BEGIN and COMMIT around the whole file are allowed: the migrator
leaves them out.`,
		Avoid:   "BEGIN;\nCREATE INDEX CONCURRENTLY orders_user_id_idx ON orders (user_id);\nCOMMIT;\nANALYZE orders;",
		Instead: "CREATE INDEX CONCURRENTLY orders_user_id_idx ON orders (user_id);",
	},
	{
		ID: UnnamedConcurrentIndex, Severity: Error, Title: "concurrent index build that cannot be retried",
		Reason: `If CREATE INDEX CONCURRENTLY fails, PostgreSQL keeps an invalid index. The migrator drops it by name
before it tries again. An index without a name gets a name from the server, a retry gets another one,
and the invalid index remains and slows down writes.`,
		Avoid:   "CREATE INDEX CONCURRENTLY ON orders (user_id);",
		Instead: "CREATE INDEX CONCURRENTLY orders_user_id_idx ON orders (user_id);",
	},
	{
		ID: ForeignKeyValidation, Severity: Error, Title: "foreign key validated under a lock",
		Reason: `ADD FOREIGN KEY takes SHARE ROW EXCLUSIVE on both tables and compares every row while writes to both
wait. With NOT VALID it checks only new rows, and is done in a moment. VALIDATE CONSTRAINT, in a
migration of its own, reads the rows while reads and writes continue.`,
		Avoid:   "ALTER TABLE orders ADD CONSTRAINT orders_user_id_fkey\n  FOREIGN KEY (user_id) REFERENCES users;",
		Instead: "ALTER TABLE orders ADD CONSTRAINT orders_user_id_fkey\n  FOREIGN KEY (user_id) REFERENCES users NOT VALID;\n-- in the next migration:\nALTER TABLE orders VALIDATE CONSTRAINT orders_user_id_fkey;",
	},
	{
		ID: CheckValidation, Severity: Error, Title: "CHECK constraint validated under a lock",
		Reason: `ADD CHECK takes ACCESS EXCLUSIVE and reads every row while reads and writes wait. With NOT VALID it
checks only new rows. VALIDATE CONSTRAINT, in a migration of its own, reads the rows while reads and
writes continue.`,
		Avoid:   "ALTER TABLE orders ADD CONSTRAINT orders_total_check CHECK (total >= 0);",
		Instead: "ALTER TABLE orders ADD CONSTRAINT orders_total_check CHECK (total >= 0) NOT VALID;\n-- in the next migration:\nALTER TABLE orders VALIDATE CONSTRAINT orders_total_check;",
	},
	{
		ID: DomainConstraintValidation, Severity: Error, Title: "domain constraint validated under a lock",
		Reason: `ALTER DOMAIN ADD CONSTRAINT and SET NOT NULL read every row of every table that uses the domain, with a
SHARE lock on each.`,
		Avoid:   "ALTER DOMAIN email ADD CONSTRAINT email_check CHECK (VALUE ~ '@');",
		Instead: "ALTER DOMAIN email ADD CONSTRAINT email_check CHECK (VALUE ~ '@') NOT VALID;\n-- in the next migration:\nALTER DOMAIN email VALIDATE CONSTRAINT email_check;",
	},
	{
		ID: NotNullScan, Severity: Error, Title: "NOT NULL that reads the table under an exclusive lock",
		Reason: `SET NOT NULL takes ACCESS EXCLUSIVE and reads every row. PostgreSQL skips the read if a validated CHECK
constraint shows that the column has no NULL.`,
		Avoid:   "ALTER TABLE orders ALTER COLUMN user_id SET NOT NULL;",
		Instead: "ALTER TABLE orders ADD CONSTRAINT orders_user_id_not_null CHECK (user_id IS NOT NULL) NOT VALID;\n-- in the next migration:\nALTER TABLE orders VALIDATE CONSTRAINT orders_user_id_not_null;\n-- in the one after it:\nALTER TABLE orders ALTER COLUMN user_id SET NOT NULL;\nALTER TABLE orders DROP CONSTRAINT orders_user_id_not_null;",
	},
	{
		ID: ConstraintIndex, Severity: Error, Title: "constraint whose index is built under an exclusive lock",
		Reason: `ADD PRIMARY KEY and ADD UNIQUE build an index under ACCESS EXCLUSIVE. Build the index concurrently first;
USING INDEX then takes the lock only for a moment.`,
		Avoid:   "ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email);",
		Instead: "CREATE UNIQUE INDEX CONCURRENTLY users_email_key ON users (email);\n-- in the next migration:\nALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE USING INDEX users_email_key;",
	},
	{
		ID: ExclusionConstraint, Severity: Error, Title: "exclusion constraint on an existing table",
		Reason: `ADD EXCLUDE builds an index under ACCESS EXCLUSIVE, and PostgreSQL has no way to build it concurrently.
Schedule it for a time without load, or create a new table with the constraint and move the rows.`,
		Avoid: "ALTER TABLE bookings ADD CONSTRAINT bookings_overlap EXCLUDE USING gist (seat WITH =, during WITH &&);",
	},
	{
		ID: AttachPartitionScan, Severity: Error, Title: "partition attached without a validated CHECK constraint",
		Reason: `ATTACH PARTITION takes ACCESS EXCLUSIVE on the new partition and reads it, unless a validated CHECK
constraint shows that its rows are within the bounds. A default partition is locked and read, too.`,
		Avoid:   "ALTER TABLE events ATTACH PARTITION events_2026\n  FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
		Instead: "ALTER TABLE events_2026 ADD CONSTRAINT events_2026_bounds\n  CHECK (at IS NOT NULL AND at >= '2026-01-01' AND at < '2027-01-01') NOT VALID;\n-- in the next migration:\nALTER TABLE events_2026 VALIDATE CONSTRAINT events_2026_bounds;\n-- in the one after it:\nALTER TABLE events ATTACH PARTITION events_2026\n  FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
	},
	{
		ID: VolatileDefault, Severity: Error, Title: "new column that rewrites the table for its default",
		Reason: `ADD COLUMN with a volatile default, a serial type, or an identity computes a value for each row: it
rewrites the table and its indexes under ACCESS EXCLUSIVE. A constant default needs no rewrite.`,
		Avoid:   "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();",
		Instead: "ALTER TABLE orders ADD COLUMN token uuid;\nALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid();\n-- then set the value of existing rows in batches, outside of this transaction",
	},
	{
		ID: GeneratedColumn, Severity: Error, Title: "stored generated column that rewrites the table",
		Reason: `A stored generated column computes a value for each row: adding it, or changing its expression,
rewrites the table and its indexes under ACCESS EXCLUSIVE. Use an expression index or a view, or a
column that a trigger and batched updates fill.`,
		Avoid: "ALTER TABLE orders ADD COLUMN total numeric GENERATED ALWAYS AS (price * amount) STORED;",
	},
	{
		ID: ColumnTypeChange, Severity: Error, Title: "type change that rewrites the table",
		Reason: `ALTER COLUMN TYPE rewrites the table and its indexes under ACCESS EXCLUSIVE, unless the stored values
are valid for the new type. This is the case for a longer or unlimited varchar, for varchar to text,
and for a numeric with a larger precision and the same scale. Otherwise add a column, copy in batches, and switch the
application.`,
		Avoid:   "ALTER TABLE orders ALTER COLUMN id TYPE bigint;",
		Instead: "ALTER TABLE orders ADD COLUMN id_new bigint;\n-- fill id_new by a trigger and in batches, switch the application, then drop id",
	},
	{
		ID: TableRewrite, Severity: Error, Title: "statement that rewrites the table",
		Reason: `VACUUM FULL, CLUSTER, SET LOGGED, SET UNLOGGED, SET TABLESPACE and SET ACCESS METHOD copy the whole table
under ACCESS EXCLUSIVE. VACUUM without FULL makes the space of deleted rows usable again without
blocking reads or writes.`,
		Avoid:   "VACUUM FULL orders;",
		Instead: "VACUUM orders;",
	},
	{
		ID: LockHeld, Severity: Error, Title: "long statement while an earlier lock is held",
		Reason: `A lock is held until the end of the transaction. A file is one transaction, so a short ALTER TABLE
followed by an UPDATE of all rows blocks the table as long as the UPDATE takes. The same is true of
VALIDATE CONSTRAINT or CREATE INDEX after ALTER TABLE. Put the long statement into a migration of its
own.`,
		Avoid:   "ALTER TABLE orders ADD COLUMN state text;\nUPDATE orders SET state = 'new';",
		Instead: "-- 0007_orders_state.up.sql\nALTER TABLE orders ADD COLUMN state text DEFAULT 'new';",
	},
	{
		ID: MultipleTablesLocked, Severity: Warning, Title: "several tables locked in one transaction",
		Reason: `The transaction locks a second table while it holds a lock on the first one. An application that uses the
two in another order can deadlock with it, and both tables are blocked as long as the slower of the
two locks takes. Put each table into a migration of its own.`,
		Avoid:   "ALTER TABLE orders ADD COLUMN note text;\nALTER TABLE users ADD COLUMN note text;",
		Instead: "-- 0007_orders_note.up.sql\nALTER TABLE orders ADD COLUMN note text;\n-- 0008_users_note.up.sql\nALTER TABLE users ADD COLUMN note text;",
	},
	{
		ID: ExplicitLock, Severity: Warning, Title: "explicit lock that blocks writes",
		Reason: `LOCK TABLE holds the lock until the end of the transaction. The schema changes of PostgreSQL take the
locks that they need.`,
		Avoid: "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;",
	},
	{
		ID: LockTimeoutDisabled, Severity: Error, Title: "lock timeout disabled",
		Reason: `The migrator sets lock_timeout, so that a statement that waits for a lock does not make all queries wait
behind it, and retries. A file that sets it to 0 disables this.`,
		Avoid: "SET lock_timeout = 0;",
	},
	{
		ID: UnbatchedWrite, Severity: Warning, Title: "UPDATE or DELETE of many rows in one transaction",
		Reason: `The statement changes rows without a condition that limits their number. Their locks are held until the
end of the transaction, so the application waits for each of them. Replicas fall behind, and VACUUM
cannot remove the old versions of the rows until it ends. Change the rows in batches, each in a
transaction of its own.`,
		Avoid:   "UPDATE orders SET state = 'new' WHERE state IS NULL;",
		Instead: "UPDATE orders SET state = 'new' WHERE state IS NULL AND id BETWEEN 1 AND 10000;\n-- and so on, each batch in its own transaction",
	},
	{
		ID: DataLoss, Severity: Warning, Title: "statement that deletes data",
		Reason: `The statement deletes a table, a column, or all rows of a table. A rollback cannot restore the data. Back
it up first, or rename the object and delete it in a later release.`,
		Avoid: "DROP TABLE orders;",
	},
	{
		ID: TruncateCascade, Severity: Error, Title: "TRUNCATE CASCADE",
		Reason: `TRUNCATE CASCADE also deletes all rows of every table with a foreign key to the table, and of the tables
that reference those. Name the tables instead.`,
		Avoid:   "TRUNCATE users CASCADE;",
		Instead: "TRUNCATE users, sessions;",
	},
	{
		ID: DropCascade, Severity: Warning, Title: "DROP CASCADE",
		Reason: `CASCADE also drops what depends on the object: views, foreign keys, columns of a type, functions. The
file does not show which. Drop the dependent objects by name first.`,
		Avoid:   "DROP TABLE users CASCADE;",
		Instead: "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey;\nDROP TABLE users;",
	},
	{
		ID: IncompatibleChange, Severity: Error, Title: "change that breaks the running version",
		Reason: `While a release rolls out, the old version of the application still runs. The statement removes or renames
what it may use, or requires a value that its INSERT statements do not set. Let a release that no
longer uses the object run first, then declare the oldest version that works with the change:
` + "`-- shiplock:min-compatible-version N`" + `, which silences this rule for the file. See [minimum compatible
version](../../guides/rollback.md#minimum-compatible-version).`,
		Avoid:   "ALTER TABLE orders RENAME COLUMN state TO status;",
		Instead: "ALTER TABLE orders ADD COLUMN status text;\n-- copy the values, switch the application, and drop state in a later release",
	},
	{
		ID: EnumValueUsed, Severity: Error, Title: "enum value used in the transaction that adds it",
		Reason: `PostgreSQL refuses to use a value of an enum type before the transaction that adds it is committed
(SQLSTATE 55P04). Use it in the next migration.`,
		Avoid:   "ALTER TYPE state ADD VALUE 'paid';\nALTER TABLE orders ALTER COLUMN state SET DEFAULT 'paid';",
		Instead: "-- 0007_state_paid.up.sql\nALTER TYPE state ADD VALUE 'paid';\n-- 0008_default_paid.up.sql\nALTER TABLE orders ALTER COLUMN state SET DEFAULT 'paid';",
	},
	{
		ID: TriggerDisabled, Severity: Error, Title: "triggers disabled",
		Reason: `DISABLE TRIGGER affects every session, and session_replication_role = replica disables foreign keys for
the migration. Rows that are written meanwhile are neither checked nor passed to the triggers, and
nothing checks them later. DISABLE TRIGGER also takes SHARE ROW EXCLUSIVE, which blocks writes.`,
		Avoid: "ALTER TABLE orders DISABLE TRIGGER ALL;",
	},
	{
		ID: PrimaryKeyDropped, Severity: Error, Title: "primary key dropped",
		Reason: `Logical replication identifies rows by the primary key. Without one, UPDATE and DELETE on a published table
fail, unless another replica identity is set. Create the unique index of the new key first, set it as
replica identity, and replace the key in one statement.`,
		Avoid:   "ALTER TABLE orders DROP CONSTRAINT orders_pkey;",
		Instead: "ALTER TABLE orders REPLICA IDENTITY USING INDEX orders_new_id_key;\n-- in the next migration:\nALTER TABLE orders DROP CONSTRAINT orders_pkey,\n  ADD CONSTRAINT orders_pkey PRIMARY KEY USING INDEX orders_new_id_key;",
	},
	{
		ID: UnindexedForeignKey, Severity: Warning, Title: "foreign key without an index",
		Reason: `PostgreSQL creates no index for the columns of a foreign key. Each DELETE or key UPDATE in the referenced
table then reads the whole table. It is not reported for tables whose indexes are not in the files.`,
		Avoid:   "ALTER TABLE orders ADD COLUMN seller_id bigint REFERENCES users;",
		Instead: "CREATE INDEX CONCURRENTLY orders_seller_id_idx ON orders (seller_id);",
	},
	{
		ID: JSONColumn, Severity: Warning, Title: "column of type json",
		Reason: `The type json has no equality operator, so SELECT DISTINCT and UNION of the table's rows fail after the
column is added.`,
		Avoid:   "ALTER TABLE orders ADD COLUMN options json;",
		Instead: "ALTER TABLE orders ADD COLUMN options jsonb;",
	},
}
