//! One mail instead of many: where many journeys of a flow stall within a while, a digest takes the place of their mails.
//!
//! The flow's desk gathers them. Until its window is over they are held back, and an hour longer than that: should nobody end the
//! window, they leave by themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::messages::in_words;
use super::{Decision, object};
use crate::domain::change::DeliveryWrite;
use crate::domain::definition::Flow;
use crate::domain::delivery::{Cause, Delivery, DeliveryStatus, EMAIL, Payload};
use crate::domain::desk::Gathering;
use crate::domain::ids::{DeliveryId, Desk, JourneyId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::limits;
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;

impl Decision<'_> {
    /// Holds a mail back where its flow has digests and its desk is there to let it go again.
    pub(super) fn hold_back(&mut self, flow: &Flow, mail: &mut Delivery) {
        let Some(digest) = flow.digest else { return };
        let Some(desk) = self.gatherings.get_mut(&flow.name) else { return };
        let now = self.now;
        let gathering = desk.get_or_insert_with(|| Gathering {
            since: now,
            until: now.plus(digest.within),
            deliveries: Vec::new(),
        });
        if gathering.deliveries.len() < limits::MAX_HELD_BACK {
            gathering.deliveries.push(mail.id);
            mail.next_attempt_at = gathering.until.plus(limits::DIGEST_GRACE);
        }
    }

    /// Ends what a flow's desk gathered: the mails leave now, each alone, or a digest in the place of those for the same people.
    /// `mails` are those of them that are still there, `journeys` what they are about; answers the mails as they are then.
    pub fn end_gathering(
        &mut self,
        desk: &mut Profile,
        mails: Vec<DeliveryWrite>,
        journeys: &BTreeMap<JourneyId, Journey>,
    ) -> Vec<DeliveryWrite> {
        let gathering = desk.desk.as_mut().and_then(|state| state.gathering.take());
        let Some((gathering, Desk::Flow(name))) = gathering.zip(desk.key.desk_of()) else {
            return Vec::new();
        };
        desk.updated_at = self.now;
        // One that left already, or is not wanted any more, is none of them.
        let mut mails: Vec<_> =
            mails.into_iter().filter(|mail| is_held_back(&mail.delivery, self.now)).collect();
        mails.iter_mut().for_each(|mail| self.supersede_unwanted(&mut mail.delivery, journeys));
        let flow = self.rules.definitions.flows.get(name).cloned();
        let more_than = flow.as_ref().and_then(|flow| flow.digest).map(|digest| digest.more_than);
        let wanted = mails.iter().filter(|mail| is_held_back(&mail.delivery, self.now));
        let stalled: BTreeSet<_> = wanted.filter_map(|mail| stalled_journey(&mail.delivery)).collect();
        let is_many =
            more_than.is_some_and(|most| stalled.len() > usize::try_from(most).unwrap_or(usize::MAX));
        for (index, same) in by_recipients(&mut mails, self.now).into_iter().enumerate() {
            let rows: BTreeSet<_> = same.iter().filter_map(|mail| stalled_journey(&mail.delivery)).collect();
            match &flow {
                Some(flow) if is_many && rows.len() > 1 => self.digest(flow, &gathering, index, same),
                _ => same.into_iter().for_each(|mail| self.let_go(mail)),
            }
        }
        mails
    }

    /// Nobody is to be called to what is over, or to what somebody took notice of.
    fn supersede_unwanted(&self, mail: &mut Delivery, journeys: &BTreeMap<JourneyId, Journey>) {
        if let Some(reason) = mail.overtaken(|id| journeys.get(&id)) {
            mail.withdraw(reason.to_owned(), self.now);
        }
    }

    fn let_go(&self, mail: &mut DeliveryWrite) {
        mail.delivery.next_attempt_at = self.now;
        mail.delivery.updated_at = self.now;
    }

    /// Makes one mail of those, which are for the same people.
    fn digest(&mut self, flow: &Flow, gathering: &Gathering, index: usize, mails: Vec<&mut DeliveryWrite>) {
        let Some(Payload::Email { to, .. }) = mails.first().map(|mail| mail.delivery.payload.clone()) else {
            return;
        };
        let context = self.digest_context(flow, gathering, &mails);
        let stalls =
            mails.iter().filter_map(|mail| Some((stalled_journey(&mail.delivery)?, mail.delivery.id)));
        let (id, cause) = (self.ids.delivery(self.now), Cause::Digest(stalls.collect()));
        let payload = Payload::Email { template: "digest".to_owned(), to, context };
        let name = format!("{}.digest.{}.{index}", flow.name, gathering.since.millis());
        let desk = UserKey::desk(&Desk::Flow(&flow.name));
        self.queue(Delivery::new(id, EMAIL.to_owned(), desk, name, cause, payload, self.now));
        for mail in mails {
            mail.delivery.supersede(Some(id), format!("a digest took its place: {id}"), self.now);
        }
    }

    fn digest_context(
        &self,
        flow: &Flow,
        gathering: &Gathering,
        mails: &[&mut DeliveryWrite],
    ) -> Map<String, Value> {
        // Of a journey with several, what the newest says; in the order in which they stalled.
        let mut rows: BTreeMap<JourneyId, (DeliveryId, Value)> = BTreeMap::new();
        let mut stages: BTreeSet<String> = BTreeSet::new();
        for mail in mails {
            let Some((journey, row)) = stalled_journey(&mail.delivery).zip(self.row(&mail.delivery)) else {
                continue;
            };
            stages.extend(row["stage"].as_str().map(str::to_owned));
            rows.insert(journey, (mail.delivery.id, row));
        }
        let count = rows.len();
        let mut rows: Vec<_> = rows.into_values().collect();
        rows.sort_by_key(|(id, _)| *id);
        let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).take(limits::MAX_DIGEST_ROWS).collect();
        let team = flow.team.as_ref().and_then(|team| self.rules.definitions.teams.get(team));
        let url = self.rules.surroundings.public_url.as_ref();
        let query = |url: &String| {
            let name: String = form_urlencoded::byte_serialize(flow.name.as_bytes()).collect();
            format!("{url}/api/journeys?flow={name}&status=stalled")
        };
        object(json!({
            "digest": {
                "flow": flow.name,
                "stage": stages.first().filter(|_| stages.len() == 1),
                "since": gathering.since,
                "until": gathering.until.min(self.now),
                "count": count,
                "more": count - rows.len(),
                "journeys": rows,
            },
            "timeZone": team.map_or("UTC", |team| team.time_zone.name()),
            "link": url.map(query),
            "now": self.now,
        }))
    }

    /// What a digest says of the journey that a mail is about.
    fn row(&self, mail: &Delivery) -> Option<Value> {
        let Payload::Email { context, .. } = &mail.payload else { return None };
        let journey = context.get("journey")?;
        let since = journey["stageAt"].as_str().and_then(Timestamp::parse_lenient);
        Some(json!({
            "id": journey["id"],
            "userId": journey["userId"],
            "phoneNumber": journey["phoneNumber"],
            "stage": journey["stage"],
            "stageAt": journey["stageAt"],
            "stalledFor": since.map(|since| in_words(self.now.millis_since(since))),
            "level": context.get("level"),
        }))
    }

    /// Sets the timer of a flow's desk: the end of what it gathers; now, where that is enough.
    pub fn set_desk_timer(&self, desk: &mut Profile) {
        let gathering = desk.desk.as_ref().and_then(|state| state.gathering.as_ref());
        desk.wake_at = gathering.map(|it| if it.is_over(self.now) { self.now } else { it.until });
    }
}

/// Whether a mail waits for the end of its window. One whose grace is over leaves by itself, and may be on its way.
fn is_held_back(mail: &Delivery, now: Timestamp) -> bool {
    mail.status == DeliveryStatus::Pending && mail.tries == 0 && mail.next_attempt_at > now
}

/// The journey that a mail is about.
fn stalled_journey(mail: &Delivery) -> Option<JourneyId> {
    mail.stalls().first().map(|(journey, _)| *journey)
}

/// The mails that are held back, by the list of people whom they are for.
fn by_recipients(mails: &mut [DeliveryWrite], now: Timestamp) -> Vec<Vec<&mut DeliveryWrite>> {
    let mut lists: BTreeMap<Vec<String>, Vec<&mut DeliveryWrite>> = BTreeMap::new();
    for mail in mails.iter_mut().filter(|mail| is_held_back(&mail.delivery, now)) {
        let Payload::Email { to, .. } = &mail.delivery.payload else { continue };
        let mut to = to.clone();
        to.sort_unstable();
        lists.entry(to).or_default().push(mail);
    }
    lists.into_values().collect()
}
