//! An answer that streams: passed on event by event, counted along, and ended where its budget ends.
//!
//! The upstream is read and counted whether the client reads or not, since it does not wait either: what the client has
//! not taken waits in a queue, and where that is full the answer ends. Where the answer is screened, what waits for that has a
//! queue of its own: whoever is slow there is not the client.

use bytes::Bytes;
use openai_api::{SseSplitter, StreamOptions};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    answer::{Begun, error_event},
    budget::Budget,
    ended::Ended,
    failure::Failure,
    headers::LimitHeaders,
    queue::{NotTaken, Receiver, Sender, queue},
    relay::Relay,
    rewrite::{Passed, Rewriter},
    screen::{Stopped, StreamScreen},
    upstream::Sent,
};
use crate::quota::{Held, Outcome};

const MOST_EVENT_BYTES: usize = 1024 * 1024;
/// So much waits at most for a client that does not read.
const MOST_UNREAD_BYTES: usize = 1024 * 1024;
/// So much waits at most for a service that judges, before that has failed. All of it at once, and what a screen itself
/// holds back, still fit into the client's queue.
const MOST_UNSCREENED_BYTES: usize = 512 * 1024;

/// How a stream ended by itself.
enum Done {
    /// The upstream said so, in these bytes.
    Upstream(Bytes),
    /// Its budget is used up.
    Budget,
    /// What comes next may not be seen.
    Flagged,
}

/// Why nothing more is shown to the client, whatever the upstream still says.
enum NotShown {
    Flagged,
    Ended(Ended),
}

impl From<NotTaken> for NotShown {
    fn from(why: NotTaken) -> Self {
        Self::Ended(why.into())
    }
}

impl From<Stopped> for NotShown {
    fn from(why: Stopped) -> Self {
        match why {
            Stopped::Flagged => Self::Flagged,
            Stopped::Unjudged => Self::Ended(Ended::Unjudged),
        }
    }
}

/// Where events go that were read.
enum Onward<'a> {
    /// To the client, as they are.
    Client(&'a Sender),
    /// To the screen, which is told when it falls too far behind.
    Screen(Sender, CancellationToken),
}

impl Onward<'_> {
    fn put(&self, piece: Bytes) -> Result<(), Ended> {
        let put = match self {
            Self::Client(client) => client.push(piece),
            Self::Screen(pieces, behind) => {
                if !pieces.has_room(piece.len()) {
                    behind.cancel();
                }
                // The screen waits for nobody any more then, and ends the answer or lets all of it pass.
                pieces.push_last(piece)
            }
        };
        put.map_err(Ended::from)
    }
}

impl Relay {
    /// Answers with a stream; gives back where its pieces wait for the client, where that is still there.
    pub(super) async fn stream(
        &self,
        held: Held,
        limits: LimitHeaders,
        each_answer: Option<i64>,
        mut begun: oneshot::Sender<Begun>,
    ) -> Option<Sender> {
        let sent = self.unless_ended(self.send(each_answer), begun.closed());
        let sent = match sent.await {
            Ok(Ok(sent)) => sent,
            Ok(Err(unanswered)) => {
                self.settle_unanswered(held, unanswered.may_have_made).await;
                let failure = Failure::from(unanswered.error).with(limits);
                drop(begun.send(Begun::Refused(failure)));
                return None;
            }
            Err(ended) => {
                self.settle(held, None, Outcome::Cut).await;
                drop(begun.send(Begun::Refused(ended.error().into())));
                return None;
            }
        };
        let (client, events) = queue(MOST_UNREAD_BYTES);
        // A client that left meanwhile is noticed at the first event.
        drop(begun.send(Begun::Stream(limits, events)));
        let mut rewriter = Rewriter::new(self.options());
        let mut budget = Budget::new(held, self.need);
        let mut screen = self.screen.stream();
        let ended = self
            .pass_events(sent, &mut rewriter, &mut budget, (&mut screen, &client))
            .await;
        let held = budget.held;
        let last = match ended {
            Ok(Done::Upstream(done)) if !rewriter.has_failed() => {
                self.settle_ended(held, &rewriter).await;
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
        client.push_last(last?).is_ok().then_some(client)
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

    /// Passes events to the client until the upstream says it is done, or the budget is.
    async fn pass_events(
        &self,
        sent: Sent,
        rewriter: &mut Rewriter,
        budget: &mut Budget,
        (screen, client): (&mut Option<StreamScreen>, &Sender),
    ) -> Result<Done, Ended> {
        let Some(screen) = screen else {
            let reading = self.read(sent, rewriter, budget, Onward::Client(client));
            return self.unless_ended(reading, client.closed()).await?;
        };
        let (pieces, read) = queue(MOST_UNSCREENED_BYTES);
        let onward = Onward::Screen(pieces, screen.behind());
        let reading = async {
            // What came before it broke off is shown all the same, so this ends only itself.
            Ok::<_, NotShown>(self.read(sent, &mut *rewriter, budget, onward).await)
        };
        let showing = show(read, &mut *screen, client);
        let both = async { tokio::try_join!(reading, showing) };
        let done = match self.unless_ended(both, client.closed()).await? {
            Ok((done, ())) => done?,
            Err(NotShown::Flagged) => return Ok(Done::Flagged),
            Err(NotShown::Ended(ended)) => return Err(ended),
        };
        let finished = finish(rewriter, screen, client);
        match self.unless_ended(finished, client.closed()).await? {
            Ok(()) => Ok(done),
            Err(NotShown::Flagged) => Ok(Done::Flagged),
            Err(NotShown::Ended(ended)) => Err(ended),
        }
    }

    /// Reads the upstream and counts along until it says it is done, or the budget is. What is for the client goes
    /// `onward`; the upstream is cut when this ends.
    async fn read(
        &self,
        sent: Sent,
        rewriter: &mut Rewriter,
        budget: &mut Budget,
        onward: Onward<'_>,
    ) -> Result<Done, Ended> {
        let Sent {
            mut answer,
            mut first,
            visit: _visit,
            ..
        } = sent;
        let mut splitter = SseSplitter::new(MOST_EVENT_BYTES);
        let prompt = self.need.prompt;
        loop {
            let so_far = rewriter.so_far(prompt);
            let chunk = if let Some(first) = first.take() {
                Ok(Some(first))
            } else {
                tokio::select! {
                    chunk = answer.chunk() => chunk,
                    () = budget.decided(so_far) => continue,
                }
            };
            let bytes = chunk.map_err(|_| Ended::Broken)?.ok_or(Ended::Broken)?;
            self.times.first();
            for event in splitter.push(&bytes).map_err(|_| Ended::Broken)? {
                match rewriter.pass(event) {
                    Passed::On(bytes) => onward.put(bytes)?,
                    Passed::Held => {}
                    Passed::Done(bytes) => return Ok(Done::Upstream(bytes)),
                }
            }
            if !budget.may_go_on(&self.db, rewriter.so_far(prompt)).await {
                return Ok(Done::Budget);
            }
        }
    }
}

/// Hands to the client what was read, screened, until no more comes.
async fn show(
    mut read: Receiver,
    screen: &mut StreamScreen,
    client: &Sender,
) -> Result<(), NotShown> {
    // An event may have grown by a word on its way here.
    let mut splitter = SseSplitter::new(2 * MOST_EVENT_BYTES);
    while let Some(piece) = read.next().await {
        let events = splitter.push(&piece);
        for event in events.map_err(|_| NotShown::Ended(Ended::Broken))? {
            if let Some(event) = screen.mask(event) {
                hand_on(client, screen.admit(event.raw.into()).await)?;
            }
        }
    }
    Ok(())
}

/// Hands on what was held back until the end.
async fn finish(
    rewriter: &Rewriter,
    screen: &mut StreamScreen,
    client: &Sender,
) -> Result<(), NotShown> {
    if let Some(choices) = screen.rest() {
        let rest = rewriter.chunk(choices, None);
        hand_on(client, screen.admit(rest).await)?;
    }
    hand_on(client, screen.finish().await)
}

fn hand_on(client: &Sender, admitted: Result<Vec<Bytes>, Stopped>) -> Result<(), NotShown> {
    for piece in admitted? {
        client.push(piece)?;
    }
    Ok(())
}
