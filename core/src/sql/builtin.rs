//! What is known of PostgreSQL's own functions by name.
//!
//! A name proves little: a function of the same name may stand before it on the search path, or
//! fit the arguments better. With a database at hand, the catalog is asked instead.

use crate::sql::statement::Name;

/// Functions that reach beyond the database they are called in, by the start of their names:
/// files, other servers, the server process, replication.
const BEYOND: [&str; 23] = [
    "dblink",
    "http",
    "lo_export",
    "lo_import",
    "pg_backup_",
    "pg_cancel_backend",
    "pg_copy_",
    "pg_create_",
    "pg_drop_",
    "pg_file_",
    "pg_log_",
    "pg_logical_",
    "pg_ls_",
    "pg_promote",
    "pg_read_",
    "pg_reload_conf",
    "pg_replication_",
    "pg_rotate_logfile",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_switch_",
    "pg_terminate_backend",
    "pg_wal_replay_",
];

/// The same for those that stay in it, and whose effects a ROLLBACK doesn't take back either.
const WITHIN: [&str; 6] = [
    "pg_advisory_",
    "pg_notify",
    "pg_stat_reset",
    "pg_try_advisory_lock",
    "set_config",
    "setval",
];

/// Functions that only compute or look, and `nextval` and `currval`: nobody misses a gap.
const PURE: &str = "abs age currval nextval any_value array_agg array_append array_cat array_length array_lower \
    array_position array_prepend array_remove array_replace array_to_json array_to_string \
    array_upper ascii avg bit_and bit_length bit_or bool_and bool_or btrim cardinality ceil \
    ceiling char_length character_length chr clock_timestamp coalesce concat concat_ws convert \
    convert_from convert_to count cube cume_dist current_database current_schema current_schemas \
    current_setting current_user date date_bin date_part date_trunc decode degrees dense_rank div \
    encode every exp first_value float8 floor format format_type gen_random_uuid generate_series \
    generate_subscripts greatest grouping initcap int4 int8 isfinite json_agg json_array_elements \
    json_array_elements_text json_array_length json_build_array json_build_object json_each \
    json_each_text json_extract_path json_extract_path_text json_object json_object_agg \
    json_object_keys json_populate_record json_strip_nulls json_to_record json_to_recordset \
    json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length \
    jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path \
    jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys \
    jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_populate_record jsonb_pretty \
    jsonb_set jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof justify_days \
    justify_hours lag last_value lead least left length ln log lower lower_inc lpad ltrim make_date \
    make_interval make_time make_timestamp make_timestamptz max md5 merge_action min mod mode now \
    nth_value ntile nullif num_nonnulls num_nulls numeric numrange octet_length overlay \
    parse_ident percent_rank percentile_cont percentile_disc pg_backend_pid pg_column_size \
    pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_serial_sequence \
    pg_get_viewdef pg_relation_size pg_size_pretty pg_sleep pg_table_size pg_total_relation_size \
    pg_typeof phraseto_tsquery plainto_tsquery point position pow power quote_ident quote_literal \
    quote_nullable radians random rank regexp_match regexp_matches regexp_replace \
    regexp_split_to_array regexp_split_to_table repeat replace reverse right rollup round row \
    row_number row_to_json rpad rtrim session_user setweight sha224 sha256 sha384 sha512 sign \
    similar_to_escape split_part sqrt starts_with statement_timestamp stddev stddev_pop \
    stddev_samp string_agg string_to_array string_to_table strip strpos substr substring sum text \
    timeofday timestamp timestamptz timezone to_ascii to_char to_date to_hex to_json to_jsonb \
    to_number to_regclass to_timestamp to_tsquery to_tsvector transaction_timestamp translate trim \
    trunc ts_headline ts_rank tsvector_to_array txid_current unistr unnest upper \
    upper_inc var_pop var_samp variance varchar version websearch_to_tsquery width_bucket xmlagg \
    xmlcomment xmlconcat";

/// Whether `function` may do something that a ROLLBACK doesn't take back: sequences, settings,
/// locks, messages, files, other servers, the server process.
pub fn acts_outside(function: &Name) -> bool {
    reaches_beyond(function) || starts(function, &WITHIN)
}

/// Whether `function` may reach beyond the database that it is called in.
pub fn reaches_beyond(function: &Name) -> bool {
    starts(function, &BEYOND)
}

fn starts(function: &Name, starts: &[&str]) -> bool {
    starts.iter().any(|start| function.name.starts_with(start))
}

/// Whether `function` is one of PostgreSQL's that only compute or look, going by its name.
pub fn is_pure(function: &Name) -> bool {
    let built_in = function
        .schema
        .as_ref()
        .is_none_or(|schema| schema == "pg_catalog");
    built_in && PURE.split_whitespace().any(|name| name == function.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_apart() {
        let name = |text: &str| {
            let (schema, name) = text.split_once('.').unwrap_or(("", text));
            Name {
                schema: (!schema.is_empty()).then(|| schema.to_owned()),
                name: name.to_owned(),
            }
        };
        for pure in ["lower", "pg_catalog.now", "coalesce"] {
            assert!(is_pure(&name(pure)) && !acts_outside(&name(pure)), "{pure}");
        }
        for outside in ["setval", "pg_catalog.setval", "dblink_exec", "pg_read_file"] {
            assert!(
                acts_outside(&name(outside)) && !is_pure(&name(outside)),
                "{outside}"
            );
        }
        assert!(reaches_beyond(&name("dblink_exec")) && !reaches_beyond(&name("setval")));
        for other in ["app.lower", "cleanup", "query_to_xml", "lo_unlink"] {
            assert!(
                !acts_outside(&name(other)) && !is_pure(&name(other)),
                "{other}"
            );
        }
    }
}
