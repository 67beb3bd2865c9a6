//! The page, the API and the file of what was used.

mod api;
mod file;
mod page;

use std::str::FromStr;

use actix_web::web;
use chrono::{Days, NaiveDate};
use serde::Deserialize;

use super::which::Which;
use crate::{
    error::{AppError, Say},
    ids::InstitutionId,
    policy::{Action, Actor, Visibility, visible},
};

pub(in crate::keys) fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(page::routes)
        .configure(file::routes)
        .configure(api::routes);
}

const DAYS_SHOWN: u64 = 30;
const MOST_DAYS: u64 = 366;

/// Which days, and whose use.
#[derive(Debug, Default, Deserialize)]
struct Query {
    since: Option<NaiveDate>,
    until: Option<NaiveDate>,
    key: Option<String>,
    project: Option<String>,
    institution: Option<String>,
}

impl Query {
    /// The days asked for, at most a year; the last thirty where nothing was asked.
    fn days(&self, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), AppError> {
        let until = self.until.unwrap_or(today);
        let back = |days| until.checked_sub_days(Days::new(days)).unwrap_or(until);
        let since = self.since.unwrap_or_else(|| back(DAYS_SHOWN - 1));
        if since > until || since < back(MOST_DAYS) {
            return Err(AppError::invalid("usage-days-wrong"));
        }
        Ok((since, until))
    }

    /// The use that is asked for, as far as `actor` may see it.
    fn which(&self, actor: &Actor, today: NaiveDate) -> Result<Which, AppError> {
        let seen = match visible(actor, Action::ViewUsage) {
            Visibility::Nothing => return Err(AppError::Forbidden(Say::new("denied-role"))),
            seen => seen,
        };
        Ok(Which {
            visibility: narrowed(seen, id(self.institution.as_deref())?),
            days: self.days(today)?,
            key: id(self.key.as_deref())?,
            project: id(self.project.as_deref())?,
        })
    }
}

/// An id of a query; a field left empty is one left out.
fn id<T: FromStr>(text: Option<&str>) -> Result<Option<T>, AppError> {
    let text = text.filter(|text| !text.is_empty());
    let id = text.map(|text| text.parse().map_err(|_| AppError::NotFound));
    id.transpose()
}

/// Of one institution only, where that may be seen.
fn narrowed(seen: Visibility, to: Option<InstitutionId>) -> Visibility {
    match (seen, to) {
        (seen, None) => seen,
        (Visibility::All, Some(institution)) => Visibility::Institution(institution),
        (Visibility::Institution(own), Some(institution)) if own == institution => seen,
        (Visibility::Institution(_) | Visibility::Nothing, Some(_)) => Visibility::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_bounded() {
        let today = "2026-11-23".parse().unwrap();
        let query = |since: &str| Query {
            since: since.parse().ok(),
            ..Query::default()
        };
        assert_eq!(query("").days(today).unwrap().0.to_string(), "2026-10-25");
        assert!(query("2020-01-01").days(today).is_err());
        assert!(query("2026-11-24").days(today).is_err());
    }

    #[test]
    fn another_institution_is_not_seen_by_asking_for_it() {
        let (own, other) = (InstitutionId::fresh(), InstitutionId::fresh());
        let seen = Visibility::Institution(own);
        assert_eq!(narrowed(seen, Some(other)), Visibility::Nothing);
        assert_eq!(narrowed(seen, Some(own)), seen);
        assert_eq!(narrowed(seen, None), seen);
        let of_other = Visibility::Institution(other);
        assert_eq!(narrowed(Visibility::All, Some(other)), of_other);
    }

    #[test]
    fn an_empty_field_is_left_out() {
        assert_eq!(id::<InstitutionId>(Some("")).unwrap(), None);
        assert!(id::<InstitutionId>(Some("x")).is_err());
    }
}
