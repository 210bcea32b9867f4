-- Operators, casts, collations, text search, foreign servers, publications, event triggers,
-- default privileges. The cast that comes with a range is part of it. System rows have oids below 16384.
WITH member AS (SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype IN ('e', 'i'))
SELECT r.kind, r.schema, NULL::text, r.name, r.definition, NULL::int4, NULL::oid
FROM (
    SELECT 'operator' AS kind, n.nspname::text AS schema,
           o.oprname || '(' || coalesce(pg_catalog.format_type(nullif(o.oprleft, 0), NULL), 'NONE')
               || ', ' || coalesce(pg_catalog.format_type(nullif(o.oprright, 0), NULL), 'NONE')
               || ')' AS name,
           pg_catalog.concat_ws(E'\n', 'function ' || o.oprcode::text,
               'commutator ' || nullif(o.oprcom, 0)::pg_catalog.regoperator::text,
               'negator ' || nullif(o.oprnegate, 0)::pg_catalog.regoperator::text,
               'restrict ' || o.oprrest::text, 'join ' || o.oprjoin::text,
               CASE WHEN o.oprcanhash THEN 'hashes' END,
               CASE WHEN o.oprcanmerge THEN 'merges' END) AS definition,
           o.tableoid AS classid, o.oid AS objid
    FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE o.oprcode <> 0 AND {user_schema}
  UNION ALL
    SELECT 'operator class', n.nspname::text, o.opcname || ' USING ' || am.amname,
           pg_catalog.concat_ws(E'\n', 'for ' || pg_catalog.format_type(o.opcintype, NULL),
               CASE WHEN o.opcdefault THEN 'default' END,
               'storage ' || pg_catalog.format_type(nullif(o.opckeytype, 0), NULL),
               'family ' || pg_catalog.quote_ident(fn.nspname) || '.'
                   || pg_catalog.quote_ident(f.opfname)),
           o.tableoid, o.oid
    FROM pg_catalog.pg_opclass o
    JOIN pg_catalog.pg_am am ON am.oid = o.opcmethod
    JOIN pg_catalog.pg_opfamily f ON f.oid = o.opcfamily
    JOIN pg_catalog.pg_namespace fn ON fn.oid = f.opfnamespace
    JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
    WHERE {user_schema}
  UNION ALL
    SELECT 'operator family', n.nspname::text, f.opfname || ' USING ' || am.amname,
           pg_catalog.concat_ws(E'\n',
               (SELECT pg_catalog.string_agg(i.line, E'\n' ORDER BY i.line COLLATE "C")
                FROM (SELECT 'operator ' || o.amopstrategy || ' '
                             || o.amopopr::pg_catalog.regoperator::text AS line
                      FROM pg_catalog.pg_amop o WHERE o.amopfamily = f.oid) i),
               (SELECT pg_catalog.string_agg(i.line, E'\n' ORDER BY i.line COLLATE "C")
                FROM (SELECT 'function ' || p.amprocnum || ' '
                             || pg_catalog.format_type(p.amproclefttype, NULL) || ', '
                             || pg_catalog.format_type(p.amprocrighttype, NULL) || ' '
                             || p.amproc::pg_catalog.oid::pg_catalog.regprocedure::text AS line
                      FROM pg_catalog.pg_amproc p WHERE p.amprocfamily = f.oid) i)),
           f.tableoid, f.oid
    FROM pg_catalog.pg_opfamily f
    JOIN pg_catalog.pg_am am ON am.oid = f.opfmethod
    JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace
    WHERE {user_schema}
  UNION ALL
    SELECT 'cast', '', '(' || pg_catalog.format_type(c.castsource, NULL) || ' AS '
               || pg_catalog.format_type(c.casttarget, NULL) || ')',
           pg_catalog.concat_ws(E'\n', 'method ' || c.castmethod::text,
               'function ' || nullif(c.castfunc, 0)::pg_catalog.regprocedure::text,
               'context ' || c.castcontext::text),
           c.tableoid, c.oid
    FROM pg_catalog.pg_cast c WHERE c.oid >= 16384
  UNION ALL
    -- The columns differ by version; locale names are all that matters.
    SELECT 'collation', n.nspname::text, c.collname::text,
           (SELECT pg_catalog.string_agg(j.key || ' ' || j.value, E'\n' ORDER BY j.key COLLATE "C")
            FROM pg_catalog.jsonb_each_text(pg_catalog.to_jsonb(c)) j
            WHERE j.value IS NOT NULL
              AND j.key NOT IN ('oid', 'collname', 'collnamespace', 'collowner', 'collversion')),
           c.tableoid, c.oid
    FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
    WHERE {user_schema}
  UNION ALL
    SELECT 'conversion', n.nspname::text, c.conname::text,
           pg_catalog.concat_ws(E'\n',
               'for ' || pg_catalog.pg_encoding_to_char(c.conforencoding),
               'to ' || pg_catalog.pg_encoding_to_char(c.contoencoding),
               'function ' || c.conproc::text, CASE WHEN c.condefault THEN 'default' END),
           c.tableoid, c.oid
    FROM pg_catalog.pg_conversion c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
    WHERE {user_schema}
  UNION ALL
    SELECT 'text search configuration', n.nspname::text, c.cfgname::text,
           pg_catalog.concat_ws(E'\n',
               'parser ' || pg_catalog.quote_ident(pn.nspname) || '.'
                   || pg_catalog.quote_ident(p.prsname),
               (SELECT pg_catalog.string_agg(m.maptokentype || ' '
                           || m.mapdict::pg_catalog.regdictionary::text, E'\n'
                           ORDER BY m.maptokentype, m.mapseqno)
                FROM pg_catalog.pg_ts_config_map m WHERE m.mapcfg = c.oid)),
           c.tableoid, c.oid
    FROM pg_catalog.pg_ts_config c
    JOIN pg_catalog.pg_ts_parser p ON p.oid = c.cfgparser
    JOIN pg_catalog.pg_namespace pn ON pn.oid = p.prsnamespace
    JOIN pg_catalog.pg_namespace n ON n.oid = c.cfgnamespace
    WHERE {user_schema}
  UNION ALL
    SELECT 'text search dictionary', n.nspname::text, d.dictname::text,
           pg_catalog.concat_ws(E'\n',
               'template ' || pg_catalog.quote_ident(tn.nspname) || '.'
                   || pg_catalog.quote_ident(t.tmplname),
               d.dictinitoption),
           d.tableoid, d.oid
    FROM pg_catalog.pg_ts_dict d
    JOIN pg_catalog.pg_ts_template t ON t.oid = d.dicttemplate
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.tmplnamespace
    JOIN pg_catalog.pg_namespace n ON n.oid = d.dictnamespace
    WHERE {user_schema}
  UNION ALL
    SELECT 'foreign data wrapper', '', w.fdwname::text,
           pg_catalog.concat_ws(E'\n',
               'handler ' || nullif(w.fdwhandler, 0)::pg_catalog.regproc::text,
               'validator ' || nullif(w.fdwvalidator, 0)::pg_catalog.regproc::text,
               'options ' || w.fdwoptions::text),
           w.tableoid, w.oid
    FROM pg_catalog.pg_foreign_data_wrapper w WHERE w.oid >= 16384
  UNION ALL
    SELECT 'server', '', s.srvname::text,
           pg_catalog.concat_ws(E'\n', 'wrapper ' || pg_catalog.quote_ident(w.fdwname),
               'type ' || s.srvtype, 'version ' || s.srvversion,
               'options ' || s.srvoptions::text),
           s.tableoid, s.oid
    FROM pg_catalog.pg_foreign_server s
    JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
  UNION ALL
    -- Options hold passwords: that the mapping exists must do.
    SELECT 'user mapping', '', u.usename || ' SERVER ' || u.srvname, '', 0, 0
    FROM pg_catalog.pg_user_mappings u
  UNION ALL
    SELECT 'language', '', l.lanname::text,
           pg_catalog.concat_ws(E'\n',
               'handler ' || nullif(l.lanplcallfoid, 0)::pg_catalog.regproc::text,
               'inline ' || nullif(l.laninline, 0)::pg_catalog.regproc::text,
               'validator ' || nullif(l.lanvalidator, 0)::pg_catalog.regproc::text,
               CASE WHEN l.lanpltrusted THEN 'trusted' END),
           l.tableoid, l.oid
    FROM pg_catalog.pg_language l WHERE l.oid >= 16384
  UNION ALL
    SELECT 'event trigger', '', e.evtname::text,
           pg_catalog.concat_ws(E'\n', 'on ' || e.evtevent,
               'function ' || e.evtfoid::pg_catalog.regproc::text,
               'enabled ' || e.evtenabled::text,
               'tags ' || (SELECT pg_catalog.string_agg(tag, ', ' ORDER BY tag COLLATE "C")
                           FROM pg_catalog.unnest(e.evttags) tag)),
           e.tableoid, e.oid
    FROM pg_catalog.pg_event_trigger e
  UNION ALL
    SELECT 'publication', '', p.pubname::text,
           pg_catalog.concat_ws(E'\n',
               (SELECT pg_catalog.string_agg(j.key || ' ' || j.value, E'\n'
                                             ORDER BY j.key COLLATE "C")
                FROM pg_catalog.jsonb_each_text(pg_catalog.to_jsonb(p)) j
                WHERE j.key NOT IN ('oid', 'pubname', 'pubowner')),
               (SELECT pg_catalog.string_agg(i.line, E'\n' ORDER BY i.line COLLATE "C")
                FROM (SELECT pg_catalog.concat_ws(' ', 'table',
                                 pg_catalog.quote_ident(n.nspname) || '.'
                                     || pg_catalog.quote_ident(c.relname),
                                 '(' || (SELECT pg_catalog.string_agg( -- since 15
                                             pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attname) -- since 15
                                         FROM pg_catalog.pg_attribute a -- since 15
                                         WHERE a.attrelid = r.prrelid -- since 15
                                           AND a.attnum = ANY (r.prattrs::int2[])) || ')', -- since 15
                                 'where ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid), -- since 15
                                 NULL) AS line
                      FROM pg_catalog.pg_publication_rel r
                      JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
                      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                      WHERE r.prpubid = p.oid
                      UNION ALL -- since 15
                      SELECT 'schema ' || pg_catalog.quote_ident(n.nspname) -- since 15
                      FROM pg_catalog.pg_publication_namespace r -- since 15
                      JOIN pg_catalog.pg_namespace n ON n.oid = r.pnnspid -- since 15
                      WHERE r.pnpubid = p.oid -- since 15
                     ) i)),
           p.tableoid, p.oid
    FROM pg_catalog.pg_publication p
  UNION ALL
    SELECT 'default privileges', coalesce(n.nspname::text, ''),
           pg_catalog.pg_get_userbyid(d.defaclrole) || ' ' || CASE d.defaclobjtype
               WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
               WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS'
               ELSE d.defaclobjtype::text END,
           (SELECT pg_catalog.string_agg(
                       CASE WHEN a.grantee = 0 THEN 'PUBLIC'
                            ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
                       || ' ' || a.privilege_type
                       || CASE WHEN a.is_grantable THEN ' with grant option' ELSE '' END,
                       E'\n' ORDER BY pg_catalog.pg_get_userbyid(a.grantee), a.privilege_type COLLATE "C")
            FROM pg_catalog.aclexplode(d.defaclacl) a),
           d.tableoid, d.oid
    FROM pg_catalog.pg_default_acl d
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
    WHERE n.oid IS NULL OR {user_schema}
) r
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = (r.classid, r.objid))
