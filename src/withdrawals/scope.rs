//! How much is withdrawn, and what that comes to. Pure.

use std::str::FromStr;

use chrono::NaiveDate;
use serde::Serialize;

use crate::{
    ids::{DatasetId, DatasetVersionId, PermissionId},
    permissions::{Layer, OnWithdrawal, Standing, Territory},
};

/// What of a dataset's permissions is withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of them.
    Dataset,
    /// One version, whatever permission covers it.
    Version(DatasetVersionId),
    /// All of one layer.
    Layer(Layer),
    /// One of several.
    Permission(PermissionId),
}

/// What a withdrawal would be of.
#[derive(Debug, Clone)]
pub struct Target {
    pub dataset: DatasetId,
    pub extent: Extent,
    /// Where jobs may run that have not begun: a permission that another covers there is not missed.
    pub locations: Vec<Territory>,
}

/// Words that name nothing that can be withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this names nothing that can be withdrawn")]
pub struct UnknownExtent;

/// `dataset`, `version:{id}`, `layer:{name}`, `permission:{id}`; nothing at all is `dataset`.
impl FromStr for Extent {
    type Err = UnknownExtent;

    fn from_str(text: &str) -> Result<Self, UnknownExtent> {
        if text.is_empty() || text == "dataset" {
            return Ok(Self::Dataset);
        }
        let (kind, name) = text.split_once(':').ok_or(UnknownExtent)?;
        match kind {
            "version" => name.parse().map(Self::Version).map_err(|_| UnknownExtent),
            "layer" => name.parse().map(Self::Layer).map_err(|_| UnknownExtent),
            "permission" => name
                .parse()
                .map(Self::Permission)
                .map_err(|_| UnknownExtent),
            _ => Err(UnknownExtent),
        }
    }
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dataset => f.write_str("dataset"),
            Self::Version(id) => write!(f, "version:{id}"),
            Self::Layer(layer) => write!(f, "layer:{}", layer.name()),
            Self::Permission(id) => write!(f, "permission:{id}"),
        }
    }
}

impl Extent {
    /// Whether it ends `permission`. Withdrawing a version ends the permissions of that version alone; those of
    /// all versions go on for the others.
    #[must_use]
    pub fn ends(self, permission: &Standing) -> bool {
        match self {
            Self::Dataset => true,
            Self::Version(version) => permission.version == Some(version),
            Self::Layer(layer) => permission.layer == layer,
            Self::Permission(id) => permission.id == id,
        }
    }
}

/// What the agreement says about models when permission is withdrawn; each is stricter than those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// They stay in use, marked.
    Keep,
    /// They are out of use until somebody decides whether they are made anew.
    Retrain,
    /// They are out of use for good.
    Retire,
}

impl Consequence {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Keep, Self::Retrain, Self::Retire];

    /// The word in the database, in agreements and in texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Retrain => "retrain",
            Self::Retire => "retire",
        }
    }

    /// The strictest of what `permissions` say. Where none says anything somebody decides: nobody may conclude from
    /// silence that a model may stay.
    pub(super) fn strictest<'a>(permissions: impl Iterator<Item = &'a Standing>) -> Self {
        permissions
            .map(|permission| permission.on_withdrawal.into())
            .max()
            .unwrap_or(Self::Retrain)
    }
}

impl From<OnWithdrawal> for Consequence {
    fn from(said: OnWithdrawal) -> Self {
        match said {
            OnWithdrawal::Keep => Self::Keep,
            OnWithdrawal::Retrain => Self::Retrain,
            OnWithdrawal::Retire => Self::Retire,
        }
    }
}

/// Whether nothing is left of a version in one of the layers that were touched: then no use can be allowed any
/// more, and its copies go.
///
/// A layer that the dataset does not need decides nothing. In one that it needs, only what allows something and has
/// not ended by `today` counts as left.
pub(super) fn is_fallen(
    version: DatasetVersionId,
    extent: Extent,
    standing: &[Standing],
    today: NaiveDate,
) -> bool {
    if matches!(extent, Extent::Dataset) || extent == Extent::Version(version) {
        return true;
    }
    let speaks = |permission: &&Standing| {
        permission.is_needed
            && permission.allows_something
            && permission.version.is_none_or(|one| one == version)
    };
    let (ended, left): (Vec<&Standing>, Vec<&Standing>) = standing
        .iter()
        .filter(speaks)
        .partition(|permission| extent.ends(permission));
    let is_left = |layer| {
        left.iter()
            .any(|permission| permission.layer == layer && permission.valid_until >= today)
    };
    ended.iter().any(|gone| !is_left(gone.layer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::Lang;

    fn day(n: i32) -> NaiveDate {
        NaiveDate::from_ymd_opt(n, 1, 1).unwrap_or_default()
    }

    fn standing(layer: Layer, version: Option<DatasetVersionId>) -> Standing {
        Standing {
            id: PermissionId::fresh(),
            layer,
            is_needed: true,
            version,
            allows_something: true,
            valid_until: day(2030),
            on_withdrawal: OnWithdrawal::Retrain,
            delete_within_days: 30,
        }
    }

    fn is_fallen(version: DatasetVersionId, extent: Extent, standing: &[Standing]) -> bool {
        super::is_fallen(version, extent, standing, day(2026))
    }

    #[test]
    fn extents_come_back_from_their_words() {
        for extent in [
            Extent::Dataset,
            Extent::Version(DatasetVersionId::fresh()),
            Extent::Layer(Layer::PersonalData),
            Extent::Permission(PermissionId::fresh()),
        ] {
            assert_eq!(extent.to_string().parse(), Ok(extent));
        }
        for wrong in ["all", "version:", "layer:x", "permission:1", "dataset:1"] {
            assert_eq!(wrong.parse::<Extent>(), Err(UnknownExtent), "{wrong}");
        }
    }

    #[test]
    fn the_strictest_permission_decides_and_silence_is_not_a_yes() {
        let [keep, retrain, retire] = [
            OnWithdrawal::Keep,
            OnWithdrawal::Retrain,
            OnWithdrawal::Retire,
        ]
        .map(|on_withdrawal| Standing {
            on_withdrawal,
            ..standing(Layer::Copyright, None)
        });
        let of = |permissions: &[&Standing]| Consequence::strictest(permissions.iter().copied());
        assert_eq!(of(&[&keep]), Consequence::Keep);
        assert_eq!(of(&[&keep, &retrain]), Consequence::Retrain);
        assert_eq!(of(&[&keep, &retire, &retrain]), Consequence::Retire);
        assert_eq!(of(&[]), Consequence::Retrain);
    }

    /// What a right holder reads when they choose is what a withdrawal then does.
    #[test]
    fn the_words_of_permissions_agreements_and_withdrawals_say_the_same() {
        for said in OnWithdrawal::ALL {
            let follows = Consequence::from(*said);
            assert_eq!(said.name(), follows.name());
            for (lang, [stays, waits, ends]) in [
                (Lang::Nl, ["blijven", "besluit", "uit gebruik"]),
                (Lang::En, ["stay", "deci", "out of"]),
            ] {
                for key in [
                    format!("duty-on-withdrawal-{said}"),
                    format!("agreement-withdrawal-{said}"),
                    format!("effect-models-{}-follows", follows.name()),
                    format!("consequence-{}", follows.name()),
                ] {
                    let text = lang.t(&key).to_lowercase();
                    let says = |word: &str| text.contains(word);
                    let agrees = match follows {
                        Consequence::Keep => says(stays) && !says(waits) && !says(ends),
                        Consequence::Retrain => says(waits) && !says(stays),
                        Consequence::Retire => says(ends) && !says(waits) && !says(stays),
                    };
                    assert!(agrees, "{key} in {lang}: {text}");
                }
                let choice = lang.t(&format!("on-withdrawal-{said}"))
                    + &lang.t(&format!("on-withdrawal-{said}-hint"));
                let says_wait = choice.to_lowercase().contains(waits);
                assert_eq!(says_wait, follows == Consequence::Retrain, "{choice}");
            }
        }
    }

    #[test]
    fn a_version_falls_when_a_layer_has_nothing_left_for_it() {
        let (one, two) = (DatasetVersionId::fresh(), DatasetVersionId::fresh());
        let all = standing(Layer::Copyright, None);
        let own = standing(Layer::Copyright, Some(one));
        let personal = standing(Layer::PersonalData, None);
        let standing = [all.clone(), own.clone(), personal];
        assert!(is_fallen(one, Extent::Dataset, &standing));
        assert!(is_fallen(one, Extent::Version(one), &standing));
        assert!(!is_fallen(two, Extent::Version(one), &standing));
        let without_all = Extent::Permission(all.id);
        assert!(!is_fallen(one, without_all, &standing), "its own is left");
        assert!(is_fallen(two, without_all, &standing));
        assert!(!is_fallen(two, Extent::Permission(own.id), &standing));
        assert!(is_fallen(
            two,
            Extent::Layer(Layer::PersonalData),
            &standing
        ));
        assert!(!is_fallen(
            two,
            Extent::Layer(Layer::Confidentiality),
            &standing
        ));
    }

    #[test]
    fn what_has_ended_or_only_forbids_is_not_left() {
        let version = DatasetVersionId::fresh();
        let real = standing(Layer::Copyright, None);
        let ended = Standing {
            valid_until: day(2025),
            ..standing(Layer::Copyright, None)
        };
        let forbids = Standing {
            allows_something: false,
            ..standing(Layer::Copyright, None)
        };
        let without = Extent::Permission(real.id);
        for other in [ended, forbids.clone()] {
            assert!(is_fallen(version, without, &[real.clone(), other]));
        }
        let last_day = Standing {
            valid_until: day(2026),
            ..standing(Layer::Copyright, None)
        };
        assert!(!is_fallen(version, without, &[real.clone(), last_day]));
        let withdrawn = Extent::Permission(forbids.id);
        assert!(!is_fallen(version, withdrawn, &[real, forbids]));
    }

    #[test]
    fn a_layer_that_the_dataset_does_not_need_fells_nothing() {
        let version = DatasetVersionId::fresh();
        let real = standing(Layer::Copyright, None);
        let idle = Standing {
            is_needed: false,
            ..standing(Layer::Confidentiality, None)
        };
        let all = [real.clone(), idle.clone()];
        for extent in [
            Extent::Permission(idle.id),
            Extent::Layer(Layer::Confidentiality),
        ] {
            assert!(!is_fallen(version, extent, &all));
        }
        assert!(is_fallen(version, Extent::Permission(real.id), &all));
    }
}
