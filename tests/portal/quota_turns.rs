//! The turn of a month, and of the days on which the clock changes, while an answer is made: what was admitted before the
//! turn counts before it.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::json;
use virtual_faculty::{app::Ports, clock::FixedClock};

use crate::{
    quota::{ask, read_tokens, serve},
    support::{Keyholder, Plan},
};

/// A portal in whose time it is another moment.
struct Night {
    holder: Keyholder,
    clock: Arc<FixedClock>,
    url: url::Url,
    handle: actix_web::dev::ServerHandle,
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

impl Night {
    async fn begin(moment: &str) -> Self {
        let holder = Keyholder::start(10_000, 100).await;
        let clock = Arc::new(FixedClock::at(at(moment)));
        let config = (**holder.app.ports.config).clone();
        let ports = Arc::new(Ports::with_clock(config, clock.clone()).unwrap());
        let (url, handle) = serve(&ports).await;
        Self {
            holder,
            clock,
            url,
            handle,
        }
    }

    /// An answer of twelve tokens that begins now and ends two minutes later, after one of twenty-two that begins then.
    async fn pass_two_minutes(&self) {
        let Self { holder, url, .. } = self;
        holder.upstream.plan(Plan::Hold);
        let mut open = ask(holder, url, json!({"stream": true, "max_tokens": 10})).await;
        assert_eq!(open.status(), StatusCode::OK);
        read_tokens(&mut open, 3).await;
        self.clock.advance(TimeDelta::minutes(2));
        holder.upstream.plan(Plan::Answer);
        let next = ask(holder, url, json!({"max_tokens": 20})).await;
        assert_eq!(next.status(), StatusCode::OK);
        holder.upstream.state.gate.add_permits(1);
        let rest = open.text().await.unwrap();
        assert!(rest.ends_with("data: [DONE]\n\n"), "{rest}");
    }

    /// Tokens of the key and of its institution, which count alike, in each period of a kind.
    async fn counted(&self, period: &str) -> Vec<(DateTime<Utc>, i64)> {
        let mut conn = self.holder.database().await;
        let mut all = Vec::new();
        for kind in ["key", "institution"] {
            let counted: Vec<(DateTime<Utc>, i64)> = sqlx::query_as(
                "SELECT starts_at, used FROM quota_counters c JOIN quota_nodes n ON n.id = c.node_id
                 WHERE measure = 'tokens' AND period = $1 AND n.kind = $2 AND used > 0 ORDER BY starts_at",
            )
            .bind(period)
            .bind(kind)
            .fetch_all(&mut conn)
            .await
            .unwrap();
            all.push(counted);
        }
        assert_eq!(all[0], all[1], "{period}");
        all.swap_remove(0)
    }

    /// Tokens of each day, as people see them.
    async fn days(&self) -> Vec<(NaiveDate, i64)> {
        sqlx::query_as(
            "SELECT day, sum(prompt_tokens + completion_tokens)::bigint FROM usage_days GROUP BY day ORDER BY day",
        )
        .fetch_all(&mut self.holder.database().await)
        .await
        .unwrap()
    }

    async fn end(self) {
        assert_eq!(self.holder.counters().await.1, 0, "nothing is held");
        self.handle.stop(false).await;
    }
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[actix_web::test]
async fn a_request_counts_in_the_month_in_which_it_was_admitted() {
    let night = Night::begin("2026-10-31T22:59:30Z").await;
    night.pass_two_minutes().await;
    let turn = at("2026-10-31T23:00:00Z");
    let months = [(at("2026-09-30T22:00:00Z"), 12), (turn, 22)];
    assert_eq!(night.counted("month").await, months);
    let days = [(at("2026-10-30T23:00:00Z"), 12), (turn, 22)];
    assert_eq!(night.counted("day").await, days);
    let shown = [(day("2026-10-31"), 12), (day("2026-11-01"), 22)];
    assert_eq!(night.days().await, shown);
    night.end().await;
}

#[actix_web::test]
async fn the_day_on_which_summer_time_begins_is_one_of_twenty_three_hours() {
    // Half a minute before the clock goes from two to three.
    let night = Night::begin("2026-03-29T00:59:30Z").await;
    night.pass_two_minutes().await;
    let begun = at("2026-03-28T23:00:00Z");
    assert_eq!(night.counted("day").await, [(begun, 34)]);
    let minutes = [
        (at("2026-03-29T00:59:00Z"), 12),
        (at("2026-03-29T01:01:00Z"), 22),
    ];
    assert_eq!(night.counted("minute").await, minutes);
    // Half a minute before the midnight after it, twenty-three hours after the one before.
    let ends = begun + TimeDelta::hours(23);
    night
        .clock
        .advance(ends - TimeDelta::seconds(30) - at("2026-03-29T01:01:30Z"));
    night.pass_two_minutes().await;
    assert_eq!(night.counted("day").await, [(begun, 46), (ends, 22)]);
    let shown = [(day("2026-03-29"), 46), (day("2026-03-30"), 22)];
    assert_eq!(night.days().await, shown);
    night.end().await;
}

#[actix_web::test]
async fn the_day_on_which_summer_time_ends_is_one_of_twenty_five_hours() {
    // Half a minute before the clock goes from three back to two.
    let night = Night::begin("2026-10-25T00:59:30Z").await;
    night.pass_two_minutes().await;
    let begun = at("2026-10-24T22:00:00Z");
    assert_eq!(night.counted("day").await, [(begun, 34)]);
    let minutes = [
        (at("2026-10-25T00:59:00Z"), 12),
        (at("2026-10-25T01:01:00Z"), 22),
    ];
    assert_eq!(
        night.counted("minute").await,
        minutes,
        "the hour is there twice, its minutes once each"
    );
    let ends = begun + TimeDelta::hours(25);
    night
        .clock
        .advance(ends - TimeDelta::seconds(30) - at("2026-10-25T01:01:30Z"));
    night.pass_two_minutes().await;
    assert_eq!(night.counted("day").await, [(begun, 46), (ends, 22)]);
    let shown = [(day("2026-10-25"), 46), (day("2026-10-26"), 22)];
    assert_eq!(night.days().await, shown);
    night.end().await;
}
