//! The SQL of agreements.

mod agreement;
mod clause;
mod document;
mod line;
mod waiting;

pub(super) use self::{
    agreement::{
        NewAgreement, datasets_of, find, given, insert, link, list, lock, owned, remark, remarks,
        replace_facts, save_status,
    },
    clause::{clauses, insert_clause, judge},
    document::{
        Document, DocumentState, find_document, insert_document, newest_document, pages,
        save_reading,
    },
    line::{ConfirmedLine, confirm, history, insert_line, standing},
    waiting::{Waits, drafts, in_review},
};
use crate::db::{CorruptRow, StoreError};

fn corrupt(table: &'static str, id: uuid::Uuid, problem: &'static str) -> StoreError {
    StoreError::Corrupt(CorruptRow { table, id, problem })
}
