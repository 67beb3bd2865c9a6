//! Who holds which model, outside the portal, under which licence: the register from which people are told when
//! something about their model changes. Who uses a model by a key of the portal is known by the key.

mod licensee;
mod register;
mod store;
pub mod web;

pub use self::{
    licensee::{Licence, Licensee, New},
    register::{RegisterError, add, end},
    store::of_models,
};
