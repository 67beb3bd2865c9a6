//! An answer that streams: passed on event by event, counted along, and ended where its budget ends.

use bytes::Bytes;
use openai_api::{SseSplitter, StreamOptions, Usage};
use reqwest::Response;
use tokio::sync::{mpsc, oneshot};

use super::{
    answer::{Begun, error_event},
    budget::{Budget, Room},
    ended::Ended,
    failure::Failure,
    headers::LimitHeaders,
    relay::Relay,
    rewrite::{Passed, Rewriter},
    screen::{Stopped, StreamScreen},
    upstream::Sent,
};
use crate::quota::{Held, Outcome};

/// Events on their way to a client that reads slowly; more wait in the upstream.
const EVENTS_AHEAD: usize = 16;
const MOST_EVENT_BYTES: usize = 1024 * 1024;

/// How a stream ended by itself.
enum Done {
    /// The upstream said so, in these bytes.
    Upstream(Bytes),
    /// Its budget is used up.
    Budget,
    /// What comes next may not be seen.
    Flagged,
}

impl Relay {
    pub(super) async fn stream(
        &self,
        held: Held,
        limits: LimitHeaders,
        body: Vec<u8>,
        mut begun: oneshot::Sender<Begun>,
    ) {
        let Sent {
            answer,
            first,
            visit: _visit,
        } = match self.unless_ended(self.send(body), begun.closed()).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(error)) => {
                self.settle_refused(held, &error).await;
                let failure = Failure::from(error).with(limits);
                drop(begun.send(Begun::Refused(failure)));
                return;
            }
            Err(ended) => {
                self.settle(held, None, Outcome::Cut).await;
                drop(begun.send(Begun::Refused(ended.error().into())));
                return;
            }
        };
        let (client, events) = mpsc::channel(EVENTS_AHEAD);
        // A client that left meanwhile is noticed at the first event.
        drop(begun.send(Begun::Stream(limits, events)));
        let mut rewriter = Rewriter::new(self.options());
        let mut budget = Budget::new(held, self.need);
        let mut screen = self.screen.stream();
        let ended = self
            .pass_events(
                (answer, first),
                &mut rewriter,
                &mut budget,
                (&mut screen, &client),
            )
            .await;
        let held = budget.held;
        let last = match ended {
            Ok(Done::Upstream(done)) if !rewriter.has_failed() => {
                self.settle(held, rewriter.usage(), Outcome::Completed)
                    .await;
                Some(done)
            }
            Ok(Done::Upstream(done)) => {
                self.settle_cut(held, &rewriter).await;
                Some(done)
            }
            Ok(Done::Budget) => {
                let usage = self.settle_cut(held, &rewriter).await;
                Some(rewriter.end(&rewriter.open(), "length", usage))
            }
            Ok(Done::Flagged) => {
                let usage = self.settle_cut(held, &rewriter).await;
                let open = screen.map(|screen| screen.open()).unwrap_or_default();
                Some(rewriter.end(&open, "content_filter", usage))
            }
            Err(Ended::ClientLeft) => {
                self.settle_cut(held, &rewriter).await;
                None
            }
            Err(ended) => {
                let ended = self.why(ended).await;
                self.settle_cut(held, &rewriter).await;
                Some(error_event(&ended.error()))
            }
        };
        // The last bytes leave once the request is settled: who has the whole answer can see what it cost.
        if let Some(last) = last {
            drop(client.send(last).await);
        }
    }

    /// Where the upstream broke off because its model was taken out of use, that is what the client is told.
    async fn why(&self, ended: Ended) -> Ended {
        if !matches!(ended, Ended::Broken) {
            return ended;
        }
        // What is known may be of just before.
        if let Err(error) = self.gateway.catalogue.read(&self.db).await {
            tracing::warn!(%error, "models cannot be read");
        }
        let why = self.route.end.is_reached();
        why.map_or(ended, Ended::ModelOutOfUse)
    }

    fn options(&self) -> StreamOptions {
        self.asked.generation().stream_options
    }

    /// Books a stream that was cut: by the upstream's own counts, else by the last it told us.
    async fn settle_cut(&self, held: Held, rewriter: &Rewriter) -> Option<Usage> {
        let exact = self.counts_of_cut().await;
        let usage = exact.or(rewriter.usage());
        self.settle(held, usage, Outcome::Cut).await;
        usage
    }

    /// Passes events to the client until the upstream says it is done, or the budget is.
    async fn pass_events(
        &self,
        (mut answer, mut first): (Response, Option<Bytes>),
        rewriter: &mut Rewriter,
        budget: &mut Budget,
        (screen, client): (&mut Option<StreamScreen>, &mpsc::Sender<Bytes>),
    ) -> Result<Done, Ended> {
        let mut splitter = SseSplitter::new(MOST_EVENT_BYTES);
        let prompt = self.need.prompt;
        loop {
            let so_far = rewriter.so_far(prompt);
            let read = async {
                if let Some(first) = first.take() {
                    return Some(Ok(Some(first)));
                }
                tokio::select! {
                    chunk = answer.chunk() => Some(chunk),
                    () = budget.decided(so_far) => None,
                }
            };
            let Some(chunk) = self.unless_ended(read, client.closed()).await? else {
                continue;
            };
            let bytes = chunk.map_err(|_| Ended::Broken)?.ok_or(Ended::Broken)?;
            self.times.first();
            for event in splitter.push(&bytes).map_err(|_| Ended::Broken)? {
                let event = match screen {
                    None => event,
                    Some(screen) => match screen.mask(event) {
                        Some(event) => event,
                        None => continue,
                    },
                };
                let bytes = match rewriter.pass(event) {
                    Passed::On(bytes) => bytes,
                    Passed::Held => continue,
                    Passed::Done(bytes) => {
                        let passed = self.finish(rewriter, screen, client).await?;
                        return Ok(passed.unwrap_or(Done::Upstream(bytes)));
                    }
                };
                let Some(screen) = screen else {
                    self.pass_on(client, bytes).await?;
                    continue;
                };
                let admitted = self.unless_ended(screen.admit(bytes), client.closed());
                if let Some(stopped) = self.pass_admitted(client, admitted.await?).await? {
                    return Ok(stopped);
                }
            }
            let so_far = rewriter.so_far(prompt);
            let mut room = budget.made(&self.db, so_far);
            while room == Room::Deciding {
                self.unless_ended(budget.decided(so_far), client.closed())
                    .await?;
                room = budget.made(&self.db, so_far);
            }
            if room == Room::Over {
                let passed = self.finish(rewriter, screen, client).await?;
                return Ok(passed.unwrap_or(Done::Budget));
            }
        }
    }

    async fn pass_on(&self, client: &mpsc::Sender<Bytes>, bytes: Bytes) -> Result<(), Ended> {
        let sent = self.unless_ended(client.send(bytes), std::future::pending());
        sent.await?.map_err(|_| Ended::ClientLeft)
    }

    /// Passes on what may leave; answers how the stream ends where it may not.
    async fn pass_admitted(
        &self,
        client: &mpsc::Sender<Bytes>,
        admitted: Result<Vec<Bytes>, Stopped>,
    ) -> Result<Option<Done>, Ended> {
        match admitted {
            Ok(all) => {
                for bytes in all {
                    self.pass_on(client, bytes).await?;
                }
                Ok(None)
            }
            Err(Stopped::Flagged) => Ok(Some(Done::Flagged)),
            Err(Stopped::Unjudged) => Err(Ended::Unjudged),
        }
    }

    /// Passes on what was held back until the end.
    async fn finish(
        &self,
        rewriter: &Rewriter,
        screen: &mut Option<StreamScreen>,
        client: &mpsc::Sender<Bytes>,
    ) -> Result<Option<Done>, Ended> {
        let Some(screen) = screen else {
            return Ok(None);
        };
        let rest = screen.rest().map(|choices| rewriter.chunk(choices, None));
        if let Some(rest) = rest {
            let admitted = self.unless_ended(screen.admit(rest), client.closed());
            if let Some(stopped) = self.pass_admitted(client, admitted.await?).await? {
                return Ok(Some(stopped));
            }
        }
        let admitted = self.unless_ended(screen.finish(), client.closed());
        self.pass_admitted(client, admitted.await?).await
    }
}
