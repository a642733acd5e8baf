//! Every limit of stagepost. Messages and docs take their numbers from here.

use std::ops::RangeInclusive;

use super::time::Span;

// --- ingest -----------------------------------------------------------------------------------------------------
/// Largest single event, in bytes of its JSON (Segment: 32 KB).
pub const MAX_EVENT_BYTES: usize = 32 * 1024;
/// Largest batch body, in bytes after decompression (Segment: 500 KB; SDKs fill up to 512 KiB).
pub const MAX_BATCH_BYTES: usize = 512 * 1024;
/// Most events in one batch (Segment: 2500).
pub const MAX_BATCH_EVENTS: usize = 2500;
/// Longest `messageId`, in characters (Segment: 100).
pub const MAX_MESSAGE_ID_CHARS: usize = 100;
/// Longest user, anonymous, previous or group id, in bytes.
pub const MAX_ID_BYTES: usize = 256;
/// Longest event, flow, stage, page or screen name, in bytes.
pub const MAX_NAME_BYTES: usize = 500;
/// Deepest nesting of objects and arrays in an event.
pub const MAX_JSON_DEPTH: usize = 64;
/// Most properties or traits on one event that are applied to a profile (Segment: 300).
pub const MAX_TRAITS_PER_EVENT: usize = 300;
/// Longest phone number or other address of a person, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 256;
/// Most bytes that a batch may come to once its root `context` and `integrations` are merged into each item.
pub const MAX_MERGED_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long a sender may take to send a body.
pub const BODY_READ: Span = Span::from_secs(20);
/// Bytes of a body that is too large which are still read, so that its sender gets to read the answer.
pub const MAX_DRAINED_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a refused body that the debugger shows.
pub const REJECTED_BODY_BYTES: usize = 2 * 1024;
/// How long a message id is remembered; Segment promises at least 24 hours.
pub const DEDUPE_WINDOW: Span = Span::from_hours(25);

// --- profiles ---------------------------------------------------------------------------------------------------
/// Most traits kept on one profile; further new names are refused (and logged), known ones still change.
pub const MAX_PROFILE_TRAITS: usize = 1000;
/// Most bytes of trait names and values on one profile.
pub const MAX_PROFILE_TRAIT_BYTES: usize = 48 * 1024;
/// Most anonymous ids, and most former user ids, that are listed on one profile.
pub const MAX_LINKED_IDS: usize = 100;
/// Most accounts that one user is linked to; further links are refused (and logged).
pub const MAX_GROUPS_OF_USER: usize = 20;
/// Changes of one membership that a profile remembers before its newest one.
pub const MEMBERSHIP_CHANGES: usize = 20;
/// Newest events of a user that his page lists.
pub const RECENT_EVENTS: usize = 10;
/// Message ids remembered inside the profile; older ones of a busy user move to records of their own.
pub const SEEN_IN_PROFILE: usize = 32;

// --- journeys ---------------------------------------------------------------------------------------------------
/// Most journeys kept inside the profile, open ones included; the oldest finished ones move to the archive.
pub const JOURNEYS_IN_PROFILE: usize = 8;
/// Most open journeys of one user; a further one supersedes the oldest.
pub const MAX_OPEN_JOURNEYS: usize = 8;
/// Most archived journeys that go to another user at once when two profiles become one.
pub const MAX_ADOPTED_JOURNEYS: usize = 1000;
/// Most steps kept on one journey; later ones still change its stage, and the journey says how many it left out.
pub const MAX_JOURNEY_STEPS: usize = 100;
/// Most bytes of steps on all journeys of one profile; later ones are left out in the same way.
pub const MAX_TIMELINE_BYTES: usize = 128 * 1024;
/// Most acknowledgements kept on one journey.
pub const MAX_ACKNOWLEDGEMENTS: usize = 10;
/// When an open journey without news expires, unless its flow says otherwise.
pub const DEFAULT_EXPIRE_AFTER: Span = Span::from_days(30);
/// Most flow names that no definition knows which are listed as not configured.
pub const MAX_UNKNOWN_FLOWS: usize = 1000;

// --- definitions ------------------------------------------------------------------------------------------------
/// Most definitions of one kind.
pub const MAX_DEFINITIONS: usize = 1000;
/// Longest key or name of a definition, in characters.
pub const MAX_DEFINITION_NAME: usize = 255;
/// Most levels of one flow's escalation.
pub const MAX_LEVELS: usize = 50;
/// Most recipients of one level.
pub const MAX_RECIPIENTS: usize = 50;
/// Most URLs of a webhook (Segment: 5).
pub const MAX_URLS: usize = 5;
/// Longest key of a source or destination, and longest name of a template, in characters.
pub const MAX_DEFINITION_KEY: usize = 64;
/// Shortest write key, in characters.
pub const MIN_WRITE_KEY: usize = 8;
/// Longest write key, in characters.
pub const MAX_WRITE_KEY: usize = 128;
/// How long a source's write key may still be used after another has taken its place.
pub const WRITE_KEY_CHANGE_OVER: Span = Span::from_days(7);
/// Most Twilio auth tokens of one source.
pub const MAX_AUTH_TOKENS: usize = 10;
/// Most extra fields that one source names to be kept.
pub const MAX_PROPERTY_NAMES: usize = 300;
/// Most stages that end a run of one flow.
pub const MAX_STAGES: usize = 100;
/// Longest URL of a webhook, in bytes.
pub const MAX_URL_BYTES: usize = 2048;
/// Most headers that one URL of a webhook adds.
pub const MAX_HEADERS: usize = 50;
/// Longest value of such a header, and longest secret, in bytes.
pub const MAX_HEADER_BYTES: usize = 4096;
/// Most destinations of one audience.
pub const MAX_AUDIENCE_DESTINATIONS: usize = 100;
/// Longest description of a computation, in characters.
pub const MAX_DESCRIPTION: usize = 2000;
/// The farthest back that a computation can be told to look.
pub const MAX_HISTORY: Span = Span::from_days(3650);
/// Most destinations that want every source event: each event is copied for each of them in one commit.
pub const MAX_EVENT_DESTINATIONS: usize = 20;
/// Largest definitions document, in bytes.
pub const MAX_DEFINITIONS_BYTES: usize = 4 * 1024 * 1024;

// --- escalation -------------------------------------------------------------------------------------------------
/// Mails with which a digest leaves before its time, and the next one begins.
pub const MAX_GATHERED: usize = 1000;
/// Mails that are held back for one digest, at most: users whose timers are looked at together may bring more than are needed, and
/// what is past this leaves by itself.
pub const MAX_HELD_BACK: usize = 2 * MAX_GATHERED;
/// Marks of levels that fired which a journey keeps, one for each delivery; beyond it the oldest go that are not asked for any more.
pub const MAX_ESCALATIONS: usize = 300;
/// Deliveries that one level makes when it fires; what is more is left out, and logged.
pub const MAX_FIRED: usize = 100;
/// Bytes of a user's traits that a mail about his journey sees; those that are too much are left out.
pub const MAX_MAIL_TRAIT_BYTES: usize = 8 * 1024;
/// Journeys that a digest lists; it says how many more there are.
pub const MAX_DIGEST_ROWS: usize = 60;
/// Earlier alarms that a mail about a stall lists: the newest.
pub const MAX_MAIL_ALARMS: usize = 20;
/// How much longer than its digest's window a mail is held back: should nobody end the window, it goes by itself. Long
/// enough for a server that was down to make its digests when it is back.
pub const DIGEST_GRACE: Span = Span::from_hours(1);
/// What one level of an escalation may do at once.
pub const MAX_ACTIONS: usize = 10;
/// Longest template of what a call or message says, in characters.
pub const MAX_MESSAGE_TEMPLATE: usize = 4000;
/// Largest `parameters` or `attributes` that a level hands on, in bytes of JSON.
pub const MAX_CHANNEL_VALUES_BYTES: usize = 8 * 1024;
/// Highest priority of a task.
pub const MAX_TASK_PRIORITY: u32 = 2_147_483_647;
/// Widgets of one flow that are stages.
pub const MAX_WIDGETS: usize = 1000;
/// How long mails are held back for a digest, at most. What else the same user's journey sends to the same people waits behind them.
pub const MAX_DIGEST_WINDOW: Span = Span::from_secs(15 * 60);
/// How often a level may repeat itself.
pub const MAX_REPEATS: u32 = 100;
/// Shifts of a team, and its opening hours.
pub const MAX_SHIFTS: usize = 200;
/// Mail addresses, and telephone numbers, of one shift.
pub const MAX_SHIFT_ADDRESSES: usize = 20;
/// Holidays of a team.
pub const MAX_HOLIDAYS: usize = 1000;
/// Flows that a summary lists; the others are only in its total.
pub const SUMMARY_FLOWS: usize = 50;
/// Waiting journeys that a summary lists.
pub const SUMMARY_OLDEST: usize = 10;
/// Journeys that one summary looks at: so many that are stalled, then so many of all, the newest first; with more, it says so.
pub const SUMMARY_JOURNEYS: usize = 500_000;
/// Journeys counted in one step.
pub const SUMMARY_STEP: usize = 200;
/// How long after the end of an execution was told its journey still waits for a terminal stage: Twilio's batches come seconds
/// apart, in any order.
pub const DEATH_GRACE: Span = Span::from_secs(5);
/// Snoozes that a journey keeps.
pub const MAX_SNOOZES: usize = 20;
/// How far ahead a journey may be snoozed.
pub const MAX_SNOOZE: Span = Span::from_days(30);
/// How long the links of a mail work.
pub const LINK_LIFE: Span = Span::from_days(7);
/// How long the link works that ends a daily mail.
pub const UNSUBSCRIBE_LIFE: Span = Span::from_days(90);
/// Largest body of a form behind such a link, in bytes.
pub const MAX_FORM_BYTES: usize = 16 * 1024;

// --- the engine -------------------------------------------------------------------------------------------------
/// Commands that may wait for the writer; beyond it callers are told to come back.
pub const QUEUE_COMMANDS: usize = 8192;
/// Bytes of events that may wait for the writer; beyond it callers are told to come back.
pub const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Events that one commit may hold.
pub const COMMIT_EVENTS: usize = 2500;
/// Bytes of events that one commit may hold.
pub const COMMIT_BYTES: usize = 2 * 1024 * 1024;
/// Most writers that take events in on one node, where several nodes share the store.
pub const MAX_WRITERS: usize = 16;
/// Most of them unless asked otherwise.
pub const MAX_DEFAULT_WRITERS: usize = 8;
/// How often something is decided anew because another writer was faster, before whoever asked is told to come back.
pub const DECISIONS: u32 = 100;
/// How long a post waits for a database; Studio's widget gives up after ten seconds.
pub const POST_WAITS: Span = Span::from_secs(8);
/// How long a node that is not heard of keeps what only one node does.
pub const LEASE: Span = Span::from_secs(10);
/// How often leases are prolonged.
pub const LEASE_BEAT: Span = Span::from_millis(2500);
/// How often a node looks for deliveries that other nodes made.
pub const SHARED_RECHECK: Span = Span::from_millis(250);
/// Timers looked at in one sweep before ingest has its turn again; where it goes by time, the first number that is tried.
pub const SWEEP_TIMERS: usize = 256;
/// Events, or profiles, looked at in one step of a backfill before ingest has its turn again; where it goes by time, the first
/// number that is tried.
pub const BACKFILL_STEP: usize = 512;
/// How long a step of a backfill, or of a sweep, takes while others wait for the writer.
pub const SLICE_BUSY: Span = Span::from_millis(3);
/// How long such a step takes while nobody does.
pub const SLICE_IDLE: Span = Span::from_millis(20);
/// Bytes of shares of the past that a backfill holds in memory.
pub const BACKFILL_BYTES: usize = 32 * 1024 * 1024;
/// Replays under way at once.
pub const MAX_REPLAYS: usize = 10;
/// Deliveries that a replay looks at in one step, and that expire in one.
pub const REPLAY_STEP: usize = 200;
/// Replays that are over and still listed.
pub const REPLAYS_KEPT: usize = 100;
/// Newest pending deliveries of one user to one destination among which one of the same computation is looked for.
pub const COALESCE_DEPTH: usize = 100;
/// Rejected posts remembered for the debugger.
pub const REJECTED_KEPT: usize = 1000;
/// Lines of the debugger's feed that a listener may be behind before he loses the oldest.
pub const FEED_LINES: usize = 1024;
/// Events that a listener is told of who comes back to the debugger's feed; older ones he missed, and is told so.
pub const FEED_BACKLOG: usize = 500;
/// Events of which the debugger remembers how they were posted.
pub const POSTED_KEPT: usize = 1000;
/// Bytes that these may take.
pub const POSTED_BYTES: usize = 8 * 1024 * 1024;
/// Deliveries looked at for those that an event caused.
pub const CAUSED_LOOKED_AT: usize = 1000;
/// How long the scheduler may be silent before the writer looks at the timers by itself.
pub const WATCHDOG: Span = Span::from_millis(2500);
/// Records tidied up in one step: rows of audiences that are gone, sizes and message ids past their time.
pub const UPKEEP_STEP: usize = 1000;
/// How long the sizes of an audience are kept per hour.
pub const HOURLY_SIZES_KEPT: Span = Span::from_days(90);
/// How long the sizes of an audience are kept per day.
pub const DAILY_SIZES_KEPT: Span = Span::from_days(3 * 365);
/// What a caller is told to wait when the server is too busy.
pub const RETRY_AFTER_SECS: u64 = 1;

// --- delivery ---------------------------------------------------------------------------------------------------
/// How long one webhook attempt may take, connecting included (Segment: 5 s).
pub const WEBHOOK_TIMEOUT: Span = Span::from_secs(5);
/// How long one mail may take, the whole conversation included.
pub const MAIL_TIMEOUT: Span = Span::from_secs(30);
/// Connections to the mail server at once, unless its URL says otherwise.
pub const MAIL_CONNECTIONS: usize = 4;
/// Longest subject of a mail, in characters.
pub const MAIL_SUBJECT_CHARS: usize = 250;
/// Steps that the making of one mail may take (minijinja's fuel).
pub const TEMPLATE_FUEL: u64 = 200_000;
/// How long a delivery is tried before it is a dead letter (Segment: four hours).
pub const RETRY_FOR: Span = Span::from_hours(4);
/// First wait between two attempts; it doubles.
pub const RETRY_BASE: Span = Span::from_secs(10);
/// Longest wait between two attempts.
pub const RETRY_CAP: Span = Span::from_secs(20 * 60);
/// Longest `Retry-After` that is honoured.
pub const RETRY_AFTER_CAP: Span = Span::from_hours(1);
/// Attempts of one destination under way at once, unless it says otherwise.
pub const DEFAULT_IN_FLIGHT: u32 = 16;
/// Most attempts of one destination under way at once.
pub const MAX_IN_FLIGHT: u32 = 256;
/// Longest time that a destination may give one attempt.
pub const MAX_ATTEMPT_TIMEOUT: Span = Span::from_secs(60);
/// Longest time that a destination may let a delivery be tried.
pub const MAX_RETRY_FOR: Span = Span::from_days(30);
/// Highest rate, in attempts per second, that a destination may ask for.
pub const MAX_RATE_LIMIT: u32 = 10_000;
/// Bytes of calls that are claimed at once for one destination; a batch may be smaller for it.
pub const MAX_CLAIM_BYTES: usize = 8 * 1024 * 1024;
/// Failures in a row after which a destination is tried with one attempt at a time.
pub const CIRCUIT_FAILURES: u32 = 16;
/// First gap between such attempts; it doubles.
pub const CIRCUIT_GAP: Span = Span::from_millis(100);
/// Longest gap between such attempts.
pub const CIRCUIT_CAP: Span = Span::from_secs(10);
/// After how long of nothing but failures a destination is paused, unless it says otherwise.
pub const PAUSE_AFTER: Span = Span::from_hours(1);
/// Attempts that have to fail before a destination is paused, however long it takes.
pub const PAUSE_ATTEMPTS: u32 = 5;
/// How often a paused destination is tried, unless it says otherwise.
pub const PROBE_EVERY: Span = Span::from_secs(60);
/// Attempts kept with a delivery: the first ones and the newest.
pub const MAX_ATTEMPTS_KEPT: usize = 20;
/// Bytes of a receiver's answer that are kept.
pub const RESPONSE_SNIPPET_BYTES: usize = 1024;
/// Bytes of a receiver's answer that are read, so that it is known whether the answer came whole; what is longer is taken for
/// whole.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

// --- destinations: definitions and routing --------------------------------------------------------------------------
/// How long one attempt of a webhook action may take, unless it says otherwise (Segment: 10 s).
pub const ACTION_TIMEOUT: Span = Span::from_secs(10);
/// Most events in one request of a webhook action (Segment: 4000).
pub const MAX_BATCH_SIZE: u32 = 4000;
/// Events in one request where batching is on and no size is given (Segment's documentation: 1000).
pub const DEFAULT_BATCH_SIZE: u32 = 1000;
/// How long the first event of a batch waits for others, unless its destination says otherwise.
pub const BATCH_WAIT: Span = Span::from_secs(10);
/// Longest that it may wait.
pub const MAX_BATCH_WAIT: Span = Span::from_secs(10 * 60);
/// Most keys by which batches are kept apart.
pub const MAX_BATCH_KEYS: usize = 10;
/// Most secrets that sign at once (Standard Webhooks).
pub const MAX_SIGNING_SECRETS: usize = 10;
/// Fewest and most bytes of such a secret.
pub const SIGNING_SECRET_BYTES: (usize, usize) = (16, 64);
/// Most filters of one destination.
pub const MAX_FILTERS: usize = 50;
/// Most fields that one filter names, most fields that a webhook action needs or expects, and most traits of the profile
/// that a call carries.
pub const MAX_FIELD_PATHS: usize = 100;
/// Longest path of a field, in bytes.
pub const MAX_FIELD_PATH_BYTES: usize = 500;
/// Most names by which an event's `integrations` know one destination.
pub const MAX_INTEGRATION_NAMES: usize = 20;
/// Most sources that one destination names.
pub const MAX_DESTINATION_SOURCES: usize = 100;
/// Longest that a destination may let a delivery wait before it expires.
pub const MAX_EXPIRE_AFTER: Span = Span::from_days(365);
/// Longest time of nothing but failures before a destination is paused.
pub const MAX_PAUSE_AFTER: Span = Span::from_days(30);
/// Longest time between two tries of a paused destination.
pub const MAX_PROBE_EVERY: Span = Span::from_days(1);
/// Shortest of these three.
pub const MIN_PATIENCE: Span = Span::from_secs(1);
/// Most entries of a list or table that is a preset's setting.
pub const MAX_SETTING_ENTRIES: usize = 100;

// --- the console ------------------------------------------------------------------------------------------------
/// Longest key of a record on a shelf, in bytes.
pub const MAX_SHELF_KEY: usize = 256;
/// Largest record on a shelf, in bytes.
pub const MAX_SHELF_VALUE: usize = 64 * 1024;
/// Bytes of a flow's or stage's name that figures know it by; names that begin with the same ones are counted together.
pub const MAX_FIGURE_NAME: usize = 100;
/// Stages of one flow that are counted apart within one hour or day; those that come after them are not.
pub const MAX_FIGURE_STAGES: usize = MAX_FUNNEL_STAGES;
/// Steps of waiting times of all stages of one flow that are counted within one day; those that come after them are not.
pub const MAX_FIGURE_WAITS: usize = 1000;
/// How often it is written what was refused.
pub const REFUSALS_WRITTEN: Span = Span::from_secs(10);
/// Counts of refusals (by source, code and minute) that wait to be written; further ones are not counted.
pub const MAX_REFUSAL_COUNTS: usize = 10_000;
/// How long figures are kept per minute.
pub const MINUTE_FIGURES_KEPT: Span = Span::from_days(2);
/// How long they are kept per hour.
pub const HOURLY_FIGURES_KEPT: Span = Span::from_days(40);
/// How long they are kept per day.
pub const DAILY_FIGURES_KEPT: Span = Span::from_days(800);

// --- requests ---------------------------------------------------------------------------------------------------
/// Largest body of a call that a mapping makes, in bytes before compression.
pub const MAX_CALL_BYTES: usize = 1024 * 1024;
/// Largest body of several calls in one request, in bytes before compression; further calls go into the next request.
pub const MAX_BATCH_CALL_BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of addresses, headers and bodies that are made at once for one destination's requests; further calls wait for the
/// next time.
pub const MAX_CALLS_AT_ONCE_BYTES: usize = 4 * MAX_BATCH_CALL_BYTES;
/// Bytes of a token endpoint's answer that are read.
pub const TOKEN_ANSWER_BYTES: usize = 64 * 1024;
/// Longest access token, in bytes: it has to fit into a header.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// How long before its end an access token is replaced; a short-lived one after nine tenths of its life.
pub const TOKEN_MARGIN: Span = Span::from_secs(60);
/// How long an access token is used whose end is not said.
pub const TOKEN_LIFE: Span = Span::from_secs(10 * 60);
/// How long an access token is used at most, whatever is said.
pub const MAX_TOKEN_LIFE: Span = Span::from_hours(24);

// --- mappings ---------------------------------------------------------------------------------------------------
/// Largest definition of a mapping, in bytes of its JSON without spaces and escapes.
pub const MAX_MAPPING_BYTES: usize = 64 * 1024;
/// Deepest nesting of objects and arrays in a mapping.
pub const MAX_MAPPING_DEPTH: usize = 32;
/// Most problems of one mapping that are listed.
pub const MAX_MAPPING_PROBLEMS: usize = 100;
/// Longest text that `@replace` looks for, in characters (Segment: 10).
pub const MAX_PATTERN_CHARS: usize = 10;
/// Longest text that `@replace` puts in its place, in characters (Segment: 10).
pub const MAX_REPLACEMENT_CHARS: usize = 10;
/// Most steps that the evaluation of a mapping for one event may take: one for each part of the mapping each time that it
/// is looked at, for each member that is gone through, and for 64 bytes of text that are read.
pub const MAX_MAPPING_STEPS: usize = 100_000;
/// Most bytes that an evaluation may make, results in between included: the text of values and keys, and 8 for each value.
pub const MAX_MAPPED_BYTES: usize = 1024 * 1024;
/// Deepest nesting of what a mapping makes.
pub const MAX_MAPPED_DEPTH: usize = 128;

// --- filters (FQL) ----------------------------------------------------------------------------------------------
/// Longest filter or trigger, in bytes, as written and as written out canonically.
pub const MAX_FQL_BYTES: usize = 16 * 1024;
/// How deep the parts of a filter may be nested in each other; brackets that change nothing may be twice as deep.
pub const MAX_FQL_NESTING: usize = 32;
/// Most values in one filter: fields, constants, lists and calls of functions.
pub const MAX_FQL_TERMS: usize = 500;
/// Longest pattern of a filter's `match`, in characters.
pub const MAX_FQL_PATTERN: usize = 256;
/// Work that one look at an event may take: bytes that are searched or written, and characters tried with a pattern.
pub const MAX_FQL_STEPS: usize = 4 * 1024 * 1024;
/// Longest text that a function of a filter may make, in bytes.
pub const MAX_FQL_TEXT_BYTES: usize = 128 * 1024;

// --- Studio flows -----------------------------------------------------------------------------------------------
/// Most states of a flow (Studio: 2000 widgets).
pub const MAX_STUDIO_STATES: usize = 2000;
/// Largest flow definition that is read, in bytes.
pub const MAX_STUDIO_FLOW_BYTES: usize = 8 * 1024 * 1024;

// --- secrets at rest --------------------------------------------------------------------------------------------
/// Shortest key that secrets are sealed under, in characters: 16 random bytes as hexadecimal digits.
pub const MIN_SECRET_KEY_CHARS: usize = 32;
/// Longest such key, in bytes; no more is read of its file.
pub const MAX_SECRET_KEY_BYTES: usize = 4096;

// --- the API ----------------------------------------------------------------------------------------------------
/// Rows of one page unless asked otherwise.
pub const DEFAULT_PAGE: usize = 100;
/// Most rows of one page.
pub const MAX_PAGE: usize = 1000;
/// Records looked through for one page of a filtered list before the page is handed out as it is, with a cursor.
pub const MAX_SCAN: usize = 20_000;
/// The same for a page of the console, which is to be there at once.
pub const MAX_SCAN_SHOWN: usize = 2_000;
/// Flows whose journeys of one status are listed side by side; where there are more (whatever is posted makes one), all journeys
/// are looked through.
pub const MAX_FLOWS_MERGED: usize = MAX_DEFINITIONS;
/// How much of an audience's sizes per hour is shown unless asked otherwise.
pub const HOURLY_SIZES_SHOWN: Span = Span::from_days(7);
/// How much of an audience's sizes per day is shown unless asked otherwise.
pub const DAILY_SIZES_SHOWN: Span = Span::from_days(90);
/// Searches through profiles or events at once; a further one waits its turn.
pub const MAX_SEARCHES: usize = 2;
/// How long a search may wait for its turn before the caller is told to come back.
pub const SEARCH_WAIT: Span = Span::from_secs(5);
/// Most profiles that a search by mail address or phone number finds.
pub const MAX_FOUND: usize = 100;
/// Most traits that one file of members has columns for.
pub const MAX_TRAIT_COLUMNS: usize = 100;
/// Largest body of a management call, in bytes.
pub const MAX_API_BODY: usize = MAX_DEFINITIONS_BYTES;
/// Journeys looked through for one funnel; the newest ones, and the answer says that there are more.
pub const MAX_FUNNEL_JOURNEYS: usize = 50_000;
/// Different stages in one funnel.
pub const MAX_FUNNEL_STAGES: usize = 200;
/// Listeners to the debugger's feed at once.
pub const MAX_LISTENERS: usize = 64;
/// Previews of a query at once; each reads the whole history.
pub const MAX_PREVIEWS: usize = 2;
/// Different wrong tokens that one address may try in a minute.
pub const MAX_TOKEN_GUESSES: usize = 20;
/// Addresses whose wrong tokens are remembered at once.
pub const MAX_GUESSING_ADDRESSES: usize = 4096;
/// Longest name of who acknowledges or resolves a journey, in characters.
pub const MAX_BY: usize = 255;
/// Longest reason given with it, in characters.
pub const MAX_REASON: usize = 1000;

// --- people -----------------------------------------------------------------------------------------------------
/// Most people.
pub const MAX_PEOPLE: usize = 1000;
/// Most tokens of the API.
pub const MAX_API_TOKENS: usize = 1000;
/// Longest address that somebody signs in with, in bytes.
pub const MAX_LOGIN_BYTES: usize = 254;
/// Longest name of a person or token, in characters.
pub const MAX_PERSON_NAME: usize = 100;
/// Shortest password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Longest password, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 128;
/// Passwords that are checked at once: each takes 19 MiB and a processor for some 20 ms.
pub const PASSWORD_CHECKS: usize = 2;
/// How long a password waits for its check before the caller is told to come back.
pub const PASSWORD_WAIT: Span = Span::from_secs(5);
/// How long a session lasts that is not used.
pub const SESSION_IDLE: Span = Span::from_hours(12);
/// How long a session lasts in any case.
pub const SESSION_LIFE: Span = Span::from_days(7);
/// How often it is written down at most that a session is used.
pub const SESSION_NOTED: Span = Span::from_secs(60);
/// How often it is written down at most that a token is used, or a person seen.
pub const USE_NOTED: Span = Span::from_hours(1);
/// Most sessions of one person; a further one ends the one that began first.
pub const MAX_SESSIONS: usize = 20;
/// Longest name that is kept of a browser nobody knows, in characters.
pub const MAX_BROWSER_CHARS: usize = 40;
/// Largest form of somebody who has not signed in, in bytes.
pub const MAX_STRANGERS_FORM: usize = 16 * 1024;
/// Wrong passwords of one account within [`WRONG_PASSWORDS_WITHIN`] before it is held.
pub const MAX_WRONG_PASSWORDS: u32 = 10;
/// Wrong passwords from one address, of IPv6 the /64, in that time before it is held.
pub const MAX_WRONG_PASSWORDS_FROM: u32 = 50;
/// How long wrong passwords are counted together.
pub const WRONG_PASSWORDS_WITHIN: Span = Span::from_secs(15 * 60);
/// How long an account, or an address, is held then.
pub const HELD_FOR: Span = Span::from_secs(15 * 60);
/// Accounts, and addresses, whose wrong passwords are remembered at once.
pub const MAX_COUNTED_SIGN_INS: usize = 4096;
/// How long the audit log is kept.
pub const AUDIT_KEPT: Span = Span::from_days(400);
/// Most bytes of JSON that an entry of the audit log keeps of how something was before, and as many of how it is since.
pub const MAX_AUDIT_STATE: usize = 24 * 1024;
/// Most characters that are kept of one place of such a state where it is too long to be kept whole.
pub const MAX_AUDIT_PLACE: usize = 400;
/// Longest subject of an entry of the audit log, in characters.
pub const MAX_AUDIT_SUBJECT: usize = 300;

// --- the Profile API --------------------------------------------------------------------------------------------
/// Calls per second of all callers together (Segment: 100 per space); as many may come at once after a pause.
pub const PROFILE_CALLS_PER_SECOND: u32 = 100;
/// How far back a profile's events are told (Segment: 14 days).
pub const PROFILE_EVENTS_FOR: Span = Span::from_days(14);
/// Traits of one page unless asked otherwise, and at most (Segment: 10 and 200).
pub const PROFILE_TRAITS: (usize, usize) = (10, 200);
/// External ids of one page unless asked otherwise, and at most (Segment: 25 in its examples; 100).
pub const PROFILE_IDS: (usize, usize) = (25, 100);
/// Events of one page unless asked otherwise, and at most (Segment: 100).
pub const PROFILE_EVENTS: (usize, usize) = (10, 100);
/// Links of one page unless asked otherwise, and at most (Segment: 20; 100).
pub const PROFILE_LINKS: (usize, usize) = (20, 100);

// --- looking back -----------------------------------------------------------------------------------------------
/// How often Studio may be asked for what nobody told.
pub const RECONCILE_EVERY: RangeInclusive<Span> = Span::from_secs(60)..=Span::from_hours(24);
/// How far back runs may be looked for that nobody told of.
pub const RECONCILE_WINDOW: RangeInclusive<Span> = Span::from_secs(10 * 60)..=Span::from_hours(7 * 24);
