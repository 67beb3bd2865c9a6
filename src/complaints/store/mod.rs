//! The SQL of cases.

mod cases;
mod documents;
mod lists;
mod writes;

pub(super) use self::{
    cases::{find, find_by_code, find_for_update, name_of, platform},
    documents::{
        Exclusion, MarkedIn, Use, exclusions, involved, mark, marked, marked_keys, unmark, uses,
    },
    lists::{Brief, briefs, remarks, waiting_for_institution},
    writes::{
        Letter, NewCase, arrived, forget, insert, insert_exclusion, insert_letter, insert_remark,
        letters, next_number, save_decision, save_extension, save_identity, save_owner,
        save_search_terms, set_mailed, sweep_arrivals, to_forget,
    },
};
