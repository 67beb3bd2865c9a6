//! What holds for every policy and every use.

use chrono::{NaiveDate, TimeDelta};
use permission_policy::{
    DatasetFacts, LicenceFacts, Moment, Permission, Policy, Purpose, Recipients, RecordedPolicy,
    State, Terms, Territory, Use, Verdict, covers, decide, decide_on, is_in_force,
};
use proptest::{
    collection::vec,
    prelude::{any, prop_assert, prop_assert_eq, proptest},
    sample::{Index, select},
};

use crate::arbitrary::{facts, noon, permission, permissions, territory, wanted};

/// Terms that allow at most what `terms` allow: one way to say less, chosen by `how`.
fn narrowed(terms: &Terms, how: u8, which: Index) -> Terms {
    let mut less = terms.clone();
    let drop = |list: &mut Vec<Purpose>| {
        if !list.is_empty() {
            let gone = list[which.index(list.len())];
            list.retain(|one| *one != gone);
        }
    };
    match how % 11 {
        0 => drop(&mut less.purposes),
        1 => less
            .prohibited
            .push(Purpose::ALL[which.index(Purpose::ALL.len())]),
        2 => less.recipients = Recipients::ALL[which.index(less.recipients as usize + 1)],
        3 => less.allows_commercial_use = false,
        4 => less.valid_from = less.valid_from.max(noon().date_naive()),
        5 => less.valid_until = less.valid_until.min(noon().date_naive()),
        6 => less.needs_human.push("zie bijlage".into()),
        7 if less.model_families.is_empty() => less.model_families.push("gpt-nl".into()),
        7 if less.model_families.len() > 1 => drop_last(&mut less.model_families),
        8 if less.territories.is_empty() => less.territories.push(Territory::Eu),
        8 if less.territories.len() > 1 => drop_last(&mut less.territories),
        9 if less.processing_locations.is_empty() => {
            less.processing_locations.push(Territory::NETHERLANDS)
        }
        9 if less.processing_locations.len() > 1 => drop_last(&mut less.processing_locations),
        _ => less.evidence.document_sha256 = None,
    }
    less
}

fn drop_last<T>(list: &mut Vec<T>) {
    list.pop();
}

/// Every yes must have been a yes before.
fn is_no_wider(after: &Verdict, before: &Verdict) -> bool {
    !after.is_allowed || before.is_allowed
}

proptest! {
    #[test]
    fn a_prohibition_never_turns_no_into_yes(
        facts in facts(), given in permissions(), wanted in wanted(), which in any::<Index>(), what in select(Purpose::ALL),
    ) {
        let mut after = given.clone();
        if !after.is_empty() {
            let at = which.index(after.len());
            after[at].terms.prohibited.push(what);
        }
        prop_assert!(is_no_wider(&decide(&facts, &after, &wanted, noon()), &decide(&facts, &given, &wanted, noon())));
    }

    #[test]
    fn a_permission_that_only_forbids_never_turns_no_into_yes(
        facts in facts(), mut given in permissions(), wanted in wanted(), more in permission(),
    ) {
        let before = decide(&facts, &given, &wanted, noon());
        given.push(Permission { terms: Terms { purposes: Vec::new(), ..more.terms }, ..more });
        prop_assert!(is_no_wider(&decide(&facts, &given, &wanted, noon()), &before));
    }

    #[test]
    fn what_is_forbidden_in_any_permission_that_stands_is_no(
        facts in facts(), mut given in permissions(), wanted in wanted(), more in permission(),
    ) {
        let mut forbids = more;
        forbids.state = State::Given;
        forbids.terms.valid_from = noon().date_naive();
        forbids.terms.prohibited = vec![wanted.purpose];
        given.push(forbids);
        prop_assert!(!decide(&facts, &given, &wanted, noon()).is_allowed);
    }

    #[test]
    fn narrower_terms_never_widen_a_verdict(
        facts in facts(), given in permissions(), wanted in wanted(), how in any::<u8>(), which in any::<Index>(),
    ) {
        let mut after = given.clone();
        if !after.is_empty() {
            let at = which.index(after.len());
            after[at].terms = narrowed(&given[at].terms, how, which);
        }
        prop_assert!(is_no_wider(&decide(&facts, &after, &wanted, noon()), &decide(&facts, &given, &wanted, noon())));
    }

    #[test]
    fn a_permission_less_never_widens_where_it_forbade_nothing(
        facts in facts(), given in permissions(), wanted in wanted(), which in any::<Index>(),
    ) {
        let mut after = given.clone();
        if !after.is_empty() {
            let gone = after.remove(which.index(given.len()));
            let forbids = !gone.terms.prohibited.is_empty() || !gone.terms.needs_human.is_empty() || gone.terms.rule_set != 2;
            let before = decide(&facts, &given, &wanted, noon());
            prop_assert!(forbids || is_no_wider(&decide(&facts, &after, &wanted, noon()), &before));
        }
    }

    #[test]
    fn asking_for_less_is_never_refused_where_more_is_allowed(
        facts in facts(), given in permissions(), wanted in wanted(),
    ) {
        if decide(&facts, &given, &wanted, noon()).is_allowed {
            let less = Use { is_commercial: false, recipients: Recipients::Consortium, ..wanted };
            prop_assert!(decide(&facts, &given, &less, noon()).is_allowed);
        }
    }

    #[test]
    fn the_order_of_permissions_does_not_matter(
        facts in facts(), given in permissions(), wanted in wanted(), turn in any::<Index>(),
    ) {
        let mut turned = given.clone();
        turned.reverse();
        if !turned.is_empty() {
            let by = turn.index(turned.len());
            turned.rotate_left(by);
        }
        prop_assert_eq!(decide(&facts, &given, &wanted, noon()), decide(&facts, &turned, &wanted, noon()));
        prop_assert_eq!(
            Policy::of(&facts, &given, &wanted).canonical().unwrap(),
            Policy::of(&facts, &turned, &wanted).canonical().unwrap()
        );
    }

    /// Once everything has begun, time only takes away.
    #[test]
    fn time_alone_never_turns_no_into_yes_once_all_has_begun(
        facts in facts(), mut given in permissions(), wanted in wanted(), from in 0..900_i64, later in 0..900_i64,
    ) {
        let start = noon() + TimeDelta::days(from);
        for permission in &mut given {
            permission.terms.valid_from = permission.terms.valid_from.min(start.date_naive());
        }
        let facts = DatasetFacts {
            licence: LicenceFacts { found_at: facts.licence.found_at.map(|at| at.min(start)), ..facts.licence },
            ..facts
        };
        let before = decide(&facts, &given, &wanted, start);
        let after = decide(&facts, &given, &wanted, start + TimeDelta::days(later));
        prop_assert!(is_no_wider(&after, &before));
    }

    #[test]
    fn past_the_last_day_of_every_permission_the_answer_is_no(
        facts in facts(), given in permissions(), wanted in wanted(), days in 1..1000_i64,
    ) {
        let last = given.iter().map(|p| p.terms.valid_until).filter(|day| *day != NaiveDate::MAX).max();
        let is_open = given.iter().any(|p| p.terms.valid_until == NaiveDate::MAX);
        if let (Some(last), false) = (last.filter(|day| *day != NaiveDate::MIN), is_open) {
            let after = (last + TimeDelta::days(days)).and_hms_opt(12, 0, 0).unwrap().and_utc();
            prop_assert!(!decide(&facts, &given, &wanted, after).is_allowed);
            prop_assert!(given.iter().all(|p| !is_in_force(p, &Moment::of(after))));
        }
    }

    #[test]
    fn there_is_always_an_answer_and_it_says_why(
        facts in facts(), given in permissions(), wanted in wanted(), seconds in any::<i32>(),
    ) {
        let at = noon() + TimeDelta::seconds(i64::from(seconds));
        let verdict = decide(&facts, &given, &wanted, at);
        prop_assert!(!verdict.reasons.is_empty());
        prop_assert_eq!(&verdict, &decide_on(&facts, &given, &wanted, &Moment::of(at)));
        prop_assert!(verdict.is_allowed || verdict.duties.is_empty());
        let covered = verdict.reasons.iter().filter(|reason| reason.rule.name() == "covered").count();
        prop_assert_eq!(covered == verdict.reasons.len(), verdict.is_allowed);
        let text = serde_json::to_string(&verdict).unwrap();
        prop_assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
    }

    #[test]
    fn a_kept_policy_gives_the_same_verdict_again(facts in facts(), given in permissions(), wanted in wanted()) {
        // Days that JSON cannot write are not kept either.
        let is_writable = |p: &Permission| p.terms.valid_from != NaiveDate::MIN && p.terms.valid_until != NaiveDate::MIN
            && p.terms.valid_from != NaiveDate::MAX && p.terms.valid_until != NaiveDate::MAX;
        if given.iter().all(is_writable) {
            let text = Policy::of(&facts, &given, &wanted).canonical().unwrap();
            let kept = RecordedPolicy::parse(&text).unwrap();
            prop_assert_eq!(kept.decide(noon()), decide(&facts, &given, &wanted, noon()));
        }
    }

    #[test]
    fn a_longer_list_of_places_never_covers_less(
        places in vec(territory(), 1..4), more in territory(), wanted in territory(),
    ) {
        let mut longer = places.clone();
        longer.push(more);
        prop_assert!(!covers(&places, wanted) || covers(&longer, wanted));
        prop_assert!(covers(&[], wanted));
    }

    /// What is not terms never becomes terms that allow something.
    #[test]
    fn no_text_makes_terms_parse_panic(text in any::<String>()) {
        let _ = Terms::parse(&text);
        let _ = RecordedPolicy::parse(&text);
        let _ = permission_policy::licence_flags(&text);
        let _ = text.parse::<Territory>();
    }
}
