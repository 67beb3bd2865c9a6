//! What tests stand on: a portal of their own with its own database, store and identity provider.

mod app;
pub(crate) mod chromium;
pub(crate) mod database;
mod gate;
pub(crate) mod given;
mod keyholder;
mod line;
pub(crate) mod pdf;
mod postgres;
mod programs;
mod sdk;
mod source;
mod tuner;
mod upstream;
pub(crate) mod visitor;

pub(crate) use self::{
    app::{OwnerTx, TestApp},
    database::of as connection,
    gate::{Gate, Stop},
    keyholder::{Keyholder, MODEL, chat_body, new_key},
    line::Line,
    postgres::OwnPostgres,
    programs::{Program, base_model, is_up, portal_is_up, pytorch, sdk_checks, sdk_pythons},
    sdk::{Script, check_with},
    source::{Answer, Source},
    tuner::{Tuner, decide_data, form, waits_for},
    upstream::{Plan, Upstream, scripted_event},
};
