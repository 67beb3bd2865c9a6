//! What every page shows around its own content.

use std::{future::Future, pin::Pin};

use super::lang::Lang;
use crate::{db::Db, policy::Actor};

/// Language, navigation, person, message.
#[derive(Debug, Clone)]
pub struct Chrome {
    /// The page's language.
    pub lang: Lang,
    /// This page in Dutch.
    pub path_nl: String,
    /// This page in English.
    pub path_en: String,
    /// Who is signed in.
    pub user: Option<User>,
    /// What waits for them.
    pub task_count: u32,
    /// Main navigation.
    pub nav: Vec<NavItem>,
    /// Goes into every form.
    pub csrf: String,
    /// What the action before this page did.
    pub flash: Option<Flash>,
    /// Whether institutions and people are made up.
    pub is_demo: bool,
    /// Of the program.
    pub version: &'static str,
}

/// The person in the header.
#[derive(Debug, Clone)]
pub struct User {
    /// Their name.
    pub name: String,
    /// Their institution's name.
    pub institution: String,
}

/// One entry of the main navigation.
#[derive(Debug, Clone)]
pub struct NavItem {
    /// Text.
    pub label: String,
    /// Path.
    pub href: String,
    /// Whether this page is under it.
    pub is_current: bool,
}

/// A message at the top of the page.
#[derive(Debug, Clone)]
pub struct Flash {
    /// `good`, `bad` or `info`.
    pub kind: &'static str,
    /// Text.
    pub text: String,
}

/// Counts what waits for a person; given by the composition, so that pages need not know the subjects.
#[derive(Clone, Copy)]
pub struct TaskCounter(pub(crate) fn(Db, Actor) -> Counting);

/// A count on its way.
pub(crate) type Counting = Pin<Box<dyn Future<Output = Result<u32, sqlx::Error>>>>;
