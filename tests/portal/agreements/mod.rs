//! From the PDF of an agreement to permissions that jobs are decided by.

mod case;
mod clauses;
mod document;
mod force;
mod lines;
mod pages;
mod who;
