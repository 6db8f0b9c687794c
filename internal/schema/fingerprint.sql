WITH space AS (
	SELECT oid, pg_catalog.quote_ident(nspname) AS name, nspname, nspowner, nspacl FROM pg_catalog.pg_namespace
	WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), part AS ( -- members of an extension, which represents them; a range type's functions and cast are part of it
	SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e' OR deptype = 'i' AND classid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_cast'::regclass)
), relation AS (
	SELECT c.*, s.name || '.' || pg_catalog.quote_ident(c.relname) AS name
	FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace
	WHERE c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM part WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = c.oid)
		AND NOT (s.nspname = $1 AND c.relname IN ($2, $3))
), named AS ( -- Shiplock's tables
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
		(SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_catalog.pg_inherits WHERE inhrelid = r.oid),
		'OF ' || nullif(reloftype, 0)::regtype, (SELECT 'USING ' || amname FROM pg_catalog.pg_am a WHERE a.oid = relam AND relkind <> 'm' AND amname <> 'heap'),
		(SELECT 'TABLESPACE ' || spcname FROM pg_catalog.pg_tablespace s WHERE s.oid = reltablespace),
		(SELECT concat_ws(' ', 'SERVER', ftserver::text, md5(ftoptions::text)) FROM pg_catalog.pg_foreign_table WHERE ftrelid = r.oid),
		CASE WHEN relkind IN ('v', 'm') THEN (SELECT string_agg(concat_ws(' ', attname, attacl::text, pg_catalog.pg_get_expr(adbin, adrelid)), ',' ORDER BY attnum)
			FROM pg_catalog.pg_attribute LEFT JOIN pg_catalog.pg_attrdef ON adrelid = attrelid AND adnum = attnum
			WHERE attrelid = r.oid AND attnum > 0 AND NOT attisdropped AND (attacl IS NOT NULL OR adbin IS NOT NULL)) END)
FROM relation r WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
UNION ALL
SELECT 'column', r.name || '.' || pg_catalog.quote_ident(attname), r.name,
	concat_ws(' ', pg_catalog.format_type(atttypid, atttypmod), 'COLLATE ' || nullif(nullif(attcollation, 0), 'pg_catalog.default'::regcollation)::regcollation,
		CASE WHEN attnotnull THEN 'NOT NULL' END, 'GENERATED ' || CASE attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END || ' AS IDENTITY',
		CASE attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' END,
		'DEFAULT ' || pg_catalog.pg_get_expr(adbin, adrelid), 'rights ' || attacl::text,
		(SELECT 'STORAGE ' || attstorage::text FROM pg_catalog.pg_type t WHERE t.oid = atttypid AND typstorage <> attstorage), 'COMPRESSION ' || nullif(attcompression::text, ''),
		CASE WHEN attstattarget >= 0 THEN 'STATISTICS ' || attstattarget END, attoptions::text, md5(attfdwoptions::text)) -- options may contain a password
FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
WHERE relkind IN ('r', 'p', 'f', 'c') AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT 'constraint', pg_catalog.quote_ident(conname) || ' of ' || r.name, r.name, pg_catalog.pg_get_constraintdef(k.oid)
FROM relation r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid WHERE contype <> 't'
UNION ALL
SELECT 'index', r.name, t.name, concat_ws(' ', pg_catalog.pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN 'invalid' END,
	CASE WHEN indisclustered THEN 'CLUSTER' END, CASE WHEN indisreplident THEN 'REPLICA IDENTITY' END)
FROM pg_catalog.pg_index JOIN relation r ON r.oid = indexrelid JOIN relation t ON t.oid = indrelid
UNION ALL
SELECT 'sequence', r.name, coalesce((SELECT t.name FROM pg_catalog.pg_depend JOIN relation t ON t.oid = refobjid
		WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = r.oid AND deptype IN ('a', 'i') LIMIT 1), ''),
	concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle, relowner::regrole, relacl::text,
		(SELECT 'OWNED BY ' || attrelid::regclass || '.' || pg_catalog.quote_ident(attname) FROM pg_catalog.pg_depend JOIN pg_catalog.pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
			WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = r.oid AND refclassid = classid AND deptype = 'a' LIMIT 1))
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
		CASE WHEN typtype = 'd' THEN pg_catalog.format_type(typbasetype, typtypmod) || ' ' || typnotnull || coalesce(' ' || typdefault, '') || ' ' || typcollation::regcollation END,
		CASE WHEN typtype IN ('b', 'p') THEN concat_ws(' ', typlen, typinput::regproc, typoutput::regproc, typcategory, typdelim) END,
		(SELECT string_agg(conname || ' ' || pg_catalog.pg_get_constraintdef(k.oid), ',' ORDER BY conname) FROM pg_catalog.pg_constraint k WHERE contypid = t.oid),
		(SELECT rngsubtype::regtype::text FROM pg_catalog.pg_range WHERE rngtypid = t.oid))
FROM pg_catalog.pg_type t JOIN space s ON s.oid = typnamespace
WHERE typtype IN ('d', 'e', 'r', 'b', 'p') AND NOT EXISTS (SELECT FROM part WHERE classid = 'pg_catalog.pg_type'::regclass AND objid = t.oid)
	AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
UNION ALL -- uncommon objects
SELECT i.type, i.identity, '', definition
FROM (
	SELECT 'pg_catalog.pg_statistic_ext'::regclass AS class, oid, concat_ws(' ', pg_catalog.pg_get_statisticsobjdef(oid), stxowner::regrole, stxstattarget) AS definition FROM pg_catalog.pg_statistic_ext
	UNION ALL SELECT 'pg_catalog.pg_publication'::regclass, oid, concat_ws(' ', (to_jsonb(p) - '{oid,pubname,pubowner}'::text[])::text, pubowner::regrole,
		(SELECT string_agg(concat_ws(' ', prrelid::regclass, to_jsonb(r)->>'prattrs'), ',' ORDER BY prrelid::regclass::text) FROM pg_catalog.pg_publication_rel r WHERE prpubid = p.oid)) FROM pg_catalog.pg_publication p
	UNION ALL SELECT 'pg_catalog.pg_event_trigger'::regclass, oid, concat_ws(' ', evtevent, evtfoid::regprocedure, evtenabled, evttags::text, evtowner::regrole) FROM pg_catalog.pg_event_trigger
	UNION ALL SELECT 'pg_catalog.pg_cast'::regclass, oid, concat_ws(' ', castfunc::regprocedure, castcontext, castmethod) FROM pg_catalog.pg_cast
	UNION ALL SELECT 'pg_catalog.pg_operator'::regclass, oid, concat_ws(' ', oprcode::regproc, oprcom::regoperator, oprnegate::regoperator, oprrest::regproc, oprjoin::regproc, oprcanmerge, oprcanhash, oprowner::regrole) FROM pg_catalog.pg_operator
	UNION ALL SELECT 'pg_catalog.pg_opclass'::regclass, oid, concat_ws(' ', opcintype::regtype, opckeytype::regtype, opcdefault, opcowner::regrole) FROM pg_catalog.pg_opclass
	UNION ALL SELECT 'pg_catalog.pg_opfamily'::regclass, oid, opfowner::regrole::text FROM pg_catalog.pg_opfamily
	UNION ALL SELECT 'pg_catalog.pg_collation'::regclass, oid, concat_ws(' ', (to_jsonb(c) - '{oid,collname,collnamespace,collowner}'::text[])::text, collowner::regrole) FROM pg_catalog.pg_collation c
	UNION ALL SELECT 'pg_catalog.pg_conversion'::regclass, oid, concat_ws(' ', conproc::regproc, conforencoding, contoencoding, condefault, conowner::regrole) FROM pg_catalog.pg_conversion
	UNION ALL SELECT 'pg_catalog.pg_ts_config'::regclass, oid, concat_ws(' ', cfgparser, cfgowner::regrole,
		(SELECT string_agg(maptokentype || ' ' || mapdict::regdictionary, ',' ORDER BY maptokentype, mapseqno) FROM pg_catalog.pg_ts_config_map WHERE mapcfg = c.oid)) FROM pg_catalog.pg_ts_config c
	UNION ALL SELECT 'pg_catalog.pg_ts_dict'::regclass, oid, concat_ws(' ', dicttemplate, dictinitoption, dictowner::regrole) FROM pg_catalog.pg_ts_dict
	UNION ALL SELECT 'pg_catalog.pg_ts_parser'::regclass, oid, '' FROM pg_catalog.pg_ts_parser
	UNION ALL SELECT 'pg_catalog.pg_ts_template'::regclass, oid, '' FROM pg_catalog.pg_ts_template
	UNION ALL SELECT 'pg_catalog.pg_foreign_data_wrapper'::regclass, oid, concat_ws(' ', fdwhandler::regproc, fdwvalidator::regproc, fdwowner::regrole, fdwacl::text, md5(fdwoptions::text)) FROM pg_catalog.pg_foreign_data_wrapper
	UNION ALL SELECT 'pg_catalog.pg_foreign_server'::regclass, oid, concat_ws(' ', srvtype, srvversion, srvowner::regrole, srvacl::text, md5(srvoptions::text)) FROM pg_catalog.pg_foreign_server
	UNION ALL SELECT 'pg_catalog.pg_language'::regclass, oid, concat_ws(' ', lanpltrusted, lanplcallfoid::regproc, laninline::regproc, lanvalidator::regproc, lanowner::regrole, lanacl::text) FROM pg_catalog.pg_language
	UNION ALL SELECT 'pg_catalog.pg_am'::regclass, oid, concat_ws(' ', amtype, amhandler) FROM pg_catalog.pg_am
	UNION ALL SELECT 'pg_catalog.pg_transform'::regclass, oid, concat_ws(' ', trffromsql, trftosql) FROM pg_catalog.pg_transform
	UNION ALL SELECT 'pg_catalog.pg_default_acl'::regclass, oid, defaclacl::text FROM pg_catalog.pg_default_acl
) o CROSS JOIN LATERAL pg_catalog.pg_identify_object(class, oid, 0) i
WHERE oid >= 16384 AND coalesce(i.schema, '') !~ '^pg_' AND NOT EXISTS (SELECT FROM part WHERE classid = class AND objid = oid) -- lower OIDs are created by initdb
UNION ALL
SELECT 'user mapping', concat_ws(' ', pg_catalog.quote_ident(usename), 'on server', pg_catalog.quote_ident(srvname)), '', md5(umoptions::text) FROM pg_catalog.pg_user_mappings
UNION ALL
SELECT 'comment', 'on ' || i.type || ' ' || i.identity,
	CASE WHEN classoid = 'pg_catalog.pg_class'::regclass THEN objoid::regclass::text
		WHEN classoid IN ('pg_catalog.pg_constraint'::regclass, 'pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_rewrite'::regclass)
			THEN regexp_replace(i.identity, '^.* on ', '') ELSE i.identity END, description
FROM pg_catalog.pg_description CROSS JOIN LATERAL pg_catalog.pg_identify_object(classoid, objoid, objsubid) i
WHERE objoid >= 16384 AND coalesce(i.schema, '') !~ '^pg_' AND NOT EXISTS (SELECT FROM part WHERE classid = classoid AND objid = objoid)
