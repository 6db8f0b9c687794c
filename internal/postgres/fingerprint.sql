WITH space AS (
	SELECT oid, pg_catalog.quote_ident(nspname) AS name, nspname, nspowner, nspacl FROM pg_catalog.pg_namespace
	WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), part AS ( -- of an extension, which stands for all its parts; a range type's functions come with it
	SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e' OR deptype = 'i' AND classid = 'pg_catalog.pg_proc'::regclass
), relation AS (
	SELECT c.*, s.name || '.' || pg_catalog.quote_ident(c.relname) AS name
	FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace
	WHERE c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM part WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = c.oid)
		AND NOT (s.nspname = $1 AND c.relname IN ($2, $3))
), named AS ( -- those of ours
	SELECT c.oid FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace WHERE s.nspname = $1 AND c.relname IN ($2, $3)
)
SELECT 'schema', name, '', concat_ws(' ', nspowner::regrole, nspacl::text) FROM space
UNION ALL
SELECT 'extension', pg_catalog.quote_ident(extname), '', extversion FROM pg_catalog.pg_extension
UNION ALL
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END,
	r.name, '', concat_ws(' ', relkind, relpersistence, relrowsecurity, relforcerowsecurity, relreplident, reloptions::text, relowner::regrole, relacl::text,
		CASE WHEN relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(r.oid) END,
		CASE WHEN relkind = 'p' THEN pg_catalog.pg_get_partkeydef(r.oid) END, pg_catalog.pg_get_expr(relpartbound, r.oid),
		(SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_catalog.pg_inherits WHERE inhrelid = r.oid))
FROM relation r WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
UNION ALL
SELECT 'column', r.name || '.' || pg_catalog.quote_ident(attname), r.name,
	concat_ws(' ', pg_catalog.format_type(atttypid, atttypmod), 'COLLATE ' || nullif(nullif(attcollation, 0), 'pg_catalog.default'::regcollation)::regcollation,
		CASE WHEN attnotnull THEN 'NOT NULL' END, 'GENERATED ' || CASE attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END || ' AS IDENTITY',
		CASE attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' END,
		'DEFAULT ' || pg_catalog.pg_get_expr(adbin, adrelid), 'rights ' || attacl::text)
FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
WHERE relkind IN ('r', 'p', 'f', 'c') AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT 'constraint', pg_catalog.quote_ident(conname) || ' of ' || r.name, r.name, pg_catalog.pg_get_constraintdef(k.oid)
FROM relation r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid WHERE contype <> 't'
UNION ALL
SELECT 'index', r.name, t.name, concat_ws(' ', pg_catalog.pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN 'invalid' END)
FROM pg_catalog.pg_index JOIN relation r ON r.oid = indexrelid JOIN relation t ON t.oid = indrelid
UNION ALL
SELECT 'sequence', r.name, coalesce((SELECT t.name FROM pg_catalog.pg_depend JOIN relation t ON t.oid = refobjid
		WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = r.oid AND deptype IN ('a', 'i') LIMIT 1), ''),
	concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle, relowner::regrole, relacl::text)
FROM relation r JOIN pg_catalog.pg_sequence ON seqrelid = r.oid
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = r.oid
	AND deptype IN ('a', 'i') AND refobjid IN (SELECT oid FROM named))
UNION ALL
SELECT 'trigger', pg_catalog.quote_ident(tgname) || ' of ' || r.name, r.name, concat_ws(' ', tgenabled, pg_catalog.pg_get_triggerdef(t.oid))
FROM relation r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid WHERE NOT tgisinternal
UNION ALL
SELECT 'rule', pg_catalog.quote_ident(rulename) || ' of ' || r.name, r.name, concat_ws(' ', ev_enabled, pg_catalog.pg_get_ruledef(w.oid))
FROM relation r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid WHERE rulename <> '_RETURN'
UNION ALL
SELECT 'policy', pg_catalog.quote_ident(polname) || ' of ' || r.name, r.name, concat_ws(' ', polcmd, polpermissive,
	(SELECT string_agg(o::regrole::text, ',' ORDER BY o) FROM unnest(polroles) o), pg_catalog.pg_get_expr(polqual, polrelid), '/', pg_catalog.pg_get_expr(polwithcheck, polrelid))
FROM relation r JOIN pg_catalog.pg_policy ON polrelid = r.oid
UNION ALL
SELECT CASE prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
	s.name || '.' || pg_catalog.quote_ident(proname) || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')', '',
	concat_ws(' ', CASE WHEN prokind = 'a' THEN pg_catalog.pg_get_function_result(p.oid) || ' ' || (SELECT g::text FROM pg_catalog.pg_aggregate g WHERE aggfnoid = p.oid)
		ELSE pg_catalog.pg_get_functiondef(p.oid) END, proowner::regrole, proacl::text)
FROM pg_catalog.pg_proc p JOIN space s ON s.oid = pronamespace
WHERE NOT EXISTS (SELECT FROM part WHERE classid = 'pg_catalog.pg_proc'::regclass AND objid = p.oid)
UNION ALL
SELECT CASE typtype WHEN 'd' THEN 'domain' ELSE 'type' END, s.name || '.' || pg_catalog.quote_ident(typname), '',
	concat_ws(' ', typtype, typowner::regrole, typacl::text,
		(SELECT string_agg(pg_catalog.quote_literal(enumlabel), ',' ORDER BY enumsortorder) FROM pg_catalog.pg_enum WHERE enumtypid = t.oid),
		CASE WHEN typtype = 'd' THEN pg_catalog.format_type(typbasetype, typtypmod) || ' ' || typnotnull || coalesce(' ' || typdefault, '') END,
		(SELECT string_agg(conname || ' ' || pg_catalog.pg_get_constraintdef(k.oid), ',' ORDER BY conname) FROM pg_catalog.pg_constraint k WHERE contypid = t.oid),
		(SELECT rngsubtype::regtype::text FROM pg_catalog.pg_range WHERE rngtypid = t.oid))
FROM pg_catalog.pg_type t JOIN space s ON s.oid = typnamespace
WHERE typtype IN ('d', 'e', 'r') AND NOT EXISTS (SELECT FROM part WHERE classid = 'pg_catalog.pg_type'::regclass AND objid = t.oid)
