//! People, and how they sign in.

mod login;
mod oidc;
mod store;
pub mod web;

pub use self::{
    login::{LoginError, SignedIn},
    oidc::{Oidc, OidcError},
    store::actor_in,
};
