//! The portal over HTTP, against a real Postgres, a real S3 store and a real OpenID provider.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set itself up should fail; what it prepares goes past the portal's own doors"
)]

mod accounts;
mod agreements;
mod base_folders;
mod browser;
mod browser_keys;
mod browser_limits;
mod browser_rights;
mod browser_serving;
mod browser_work;
mod budgets_told;
mod bundles;
mod complaints;
mod complaints_forms;
mod datasets;
mod disclosures;
mod dispatch_queue;
mod downloads;
mod embeddings;
mod estimates;
mod evaluations;
mod fine_tuning;
mod fine_tuning_kills;
mod fine_tuning_lines;
mod fine_tuning_many;
mod fine_tuning_methods;
mod fine_tuning_needs;
mod fine_tuning_sdk;
mod fine_tuning_states;
mod gateway;
mod gateway_cuts;
mod gateway_kills;
mod gateway_leaving;
mod gateway_nonsense;
mod gateway_slow;
mod gateway_soak;
mod gateway_upstreams;
mod job_checkpoints;
mod job_contract;
mod job_failures;
mod job_kills;
mod job_resume;
mod jobs;
mod journey;
mod key_requests;
mod key_secrets;
mod key_traces;
mod keys;
mod kills;
mod ledger;
mod limits;
mod lineage;
mod methods;
mod names_of_others;
mod notices;
mod offline;
mod permission_ends;
mod permissions;
mod prices;
mod privacy;
mod prov;
mod quota;
mod quota_growth;
mod quota_locks;
mod quota_projects;
mod quota_races;
mod quota_routes;
mod quota_sweep;
mod quota_tree;
mod quota_turns;
mod rights_checks;
mod rights_over_time;
mod roles;
mod safeguards;
mod scope;
mod serving_programs;
mod signing;
mod silent_places;
mod slurm_jobs;
mod support;
mod telemetry;
mod torchrun_jobs;
mod transparency;
mod uploads;
mod usage_of_key;
mod usage_sums;
mod versions;
mod webhooks;
mod withdrawal_copies;
mod withdrawal_graph;
mod withdrawal_judged;
mod withdrawal_lists;
mod withdrawal_pages;
mod withdrawal_races;
mod withdrawal_siblings;
mod withdrawals;
mod wizard;
