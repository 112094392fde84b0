"""Every bound of the broker: name, unit, default, and why it is what it is.

A bound that a queue, a listener or a user may set has its default here and its range in
the settings class that holds it. Who enforces a bound is said beside it.
"""

from typing import Final

from peeklock.types import Millis, UnixMs

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# ---- AMQP 1.0 decoder (protocols/amqp10/primitives.py, frames.py)

# Deeper nesting than any client writes; a recursion of this depth is far from the stack's end.
AMQP_NESTING_MAX: Final = 32
# Elements of one list, map or array, before anything is built: 65,536 table entries of a
# hostile peer cost 4 MiB at worst, and no real properties or filter map comes near.
AMQP_ELEMENTS_MAX: Final = 65_536
# Elements of one array that take no bytes (nulls, empty lists …). A few bytes announce them,
# so their count, and nothing else, bounds what a frame full of such arrays makes us build.
AMQP_EMPTY_ELEMENTS_MAX: Final = 16
# Keys of one map that are neither text, binary nor whole numbers. A peer can choose such keys
# so that all have the same hash; then n of them cost n² comparisons. Nobody needs that many.
AMQP_ODD_KEYS_MAX: Final = 256
# One frame, as we announce it (§2.7.1). Large enough that a 1 KiB message is one frame and
# that 5 MB is 80; small enough that a thousand half-read frames are 64 MiB.
AMQP_FRAME_BYTES_MAX: Final = 64 * KIB
AMQP_FRAME_BYTES_MIN: Final = 512  # §2.3.1 MIN-MAX-FRAME-SIZE
# A delivery tag is at most 32 octets (§2.8.7).
AMQP_DELIVERY_TAG_BYTES_MAX: Final = 32

# Message annotations, and application properties that the broker adds to: what it decodes and
# writes anew of a message, however large that is. Service Bus takes as much.
AMQP_MAP_BYTES_MAX: Final = 64 * KIB

# ---- AMQP 1.0 connections (protocols/amqp10/connection.py)

# Sessions of one connection. JavaScript's Service Bus client opens one per link.
AMQP_CHANNEL_MAX: Final = 255
# Links of one session; 0-based, so 1,024 links.
AMQP_HANDLE_MAX: Final = 1023
# Links of one connection, over all its sessions: each holds its attach, up to a frame's size.
AMQP_LINKS_MAX: Final = 4096
# What a part of an unfinished delivery costs beside its bytes.
AMQP_PART_BYTES: Final = 64
# Frames a session may have under way to us before we widen its window again.
AMQP_WINDOW_FRAMES: Final = 8192
# How long a peer may be silent. Service Bus' Python client pings from a thread that runs
# every 30 s at half of this, so less than 60 s cuts idle senders.
AMQP_IDLE_TIMEOUT: Final = Millis(120_000)
# A peer that has connected must have opened its connection within this.
AMQP_OPEN_TIMEOUT: Final = Millis(30_000)
# A peer must hear from us this many times in the silence that it bears (§2.4.5): one of them
# may be late, and one more.
AMQP_HEARTBEATS_MIN: Final = 3
# How long we wait for the peer's close after ours: a round trip over any network, with room.
AMQP_CLOSE_TIMEOUT: Final = Millis(2_000)
# A frame of a login. §5.3.1 allows 512 bytes, but tokens are longer, and everybody sends them.
AMQP_SASL_FRAME_BYTES_MAX: Final = 8 * KIB
# The shortest silence a peer may ask us to avoid (§2.4.5): timers are not finer than 10 ms.
AMQP_PEER_IDLE_TIMEOUT_MIN: Final = Millis(100)
# What a peer may send ahead while its login is being decided: open, sessions, links, a little.
AMQP_UNREAD_BYTES_MAX: Final = 4 * AMQP_FRAME_BYTES_MAX
# Bytes of deliveries whose last transfer has not come yet, over one connection.
AMQP_PARTIAL_BYTES_MAX: Final = 256 * MIB
# How far a delivery may go beyond its link's bound and still be refused alone: clients hear of
# a refused message, and many take a link that ends for a broken one. Nothing of it is kept.
AMQP_EXCESS_BYTES_MAX: Final = 16 * MIB
# Credit we grant a sender, topped up at half: what one read of a fast producer brings.
AMQP_SENDER_CREDIT: Final = 1000
# Bytes waiting for a peer that does not read, before its receivers are no longer served.
AMQP_BACKLOG_BYTES_MAX: Final = 1 * MIB

# One request to a management node or a coordinator: all of it is decoded. A batch of messages
# to be scheduled may be in it.
AMQP_REQUEST_BYTES_MAX: Final = 4 * MIB
# Replies that wait for the credit of whoever asked; more means that nobody takes them.
REPLIES_WAITING_MAX: Final = 100

# ---- MQTT (protocols/mqtt/)

# One packet, header and all, as we announce it (5.0 §3.1.2.11.4). A packet is buffered whole,
# and a thousand half-read ones are 1 GiB; signals are small, and EMQX takes as much. 3.1.1
# cannot announce it, and is held to it, too.
MQTT_PACKET_BYTES_MAX: Final = 1 * MIB
# The first packet, from somebody who has not logged in: names, a token, a will of 64 KiB.
MQTT_CONNECT_BYTES_MAX: Final = 128 * KIB
# The properties of one packet: a few of the greatest length, 64 KiB, or as many small ones. As
# objects these take some thirty times their bytes.
MQTT_PROPERTIES_BYTES_MAX: Final = 192 * KIB
# Topic filters of one SUBSCRIBE or UNSUBSCRIBE: a client that comes back may list all it had.
MQTT_FILTERS_MAX: Final = 4096
# QoS 1 and 2 messages of a peer that are not acknowledged (5.0 §4.9): what one read of a fast
# publisher brings waits for one fsync. 3.1.1 knows no such bound but its packet identifiers.
MQTT_RECEIVE_MAX: Final = 1000
# QoS 1 and 2 messages under way to a peer that does not name its own bound: its packet
# identifiers would allow 65,535, and each is remembered.
MQTT_IN_FLIGHT_MAX: Final = 1000
# Topic aliases of one direction of a connection: each may stand for a name of 64 KiB.
MQTT_TOPIC_ALIAS_MAX: Final = 32
# What a client may send ahead while its CONNECT is being decided: subscriptions, a little.
MQTT_UNREAD_BYTES_MAX: Final = 2 * MQTT_CONNECT_BYTES_MAX
# A client that has connected must have logged in within this, an exchange of AUTH included.
MQTT_CONNECT_TIMEOUT: Final = Millis(30_000)
# Subscriptions of one session: each is a filter that signals are matched with, or a receiver.
MQTT_SUBSCRIPTIONS_MAX: Final = 4096
# Places in the tree of filters that the filters of one session can make a signal look at
# (entities/filter_ways.py): some tenths of a millisecond. It is the levels of filters with `+`
# at different places; ten filters of any kind have fewer than a hundred.
MQTT_FILTER_WAYS_MAX: Final = 1024
# Levels of all filters of one session that have a wildcard: half a KiB of memory each.
MQTT_FILTER_LEVELS_MAX: Final = 8 * MQTT_SUBSCRIPTIONS_MAX
# Jobs that a subscription with QoS 0 is handed in one go. Nothing acknowledges them: what the
# socket does not take is lost with the connection.
MQTT_QOS_0_CREDIT: Final = 32
# A client identifier, in characters. 3.1.1 had asked for 23; UUIDs with a name before them fit.
MQTT_CLIENT_ID_CHARACTERS_MAX: Final = 256
# A signal's topic name, in UTF-8: it goes with each copy. The protocol allows 65,535 bytes;
# those that people think of have fewer than a hundred.
MQTT_SIGNAL_NAME_BYTES_MAX: Final = 4096
# Packet identifiers that signals of such a session have by their place in its queue; the others
# are for what goes with a connection. More than can be under way of either.
MQTT_PACKET_IDS_OF_SESSIONS: Final = 32_767
# Sessions that outlive their connections, each with a queue: as many as there may be
# connections.
MQTT_SESSIONS_MAX: Final = 10_000
# Shared subscriptions of all sessions, each with a queue, too: so clients of MQTT that think of
# ever new names for them leave room for the entities of others.
MQTT_GROUPS_MAX: Final = 10_000
# How long a session is kept while its client is away, at most: 3.1.1's never end by
# themselves, and a device that was scrapped does not say so.
MQTT_SESSION_LIFETIME_MAX: Final = Millis(30 * 86_400_000)
# How long, after a restart, the wills of clients that were cut off by its end wait at least: it
# was the broker that was away, and they try again every minute or sooner.
MQTT_WILL_GRACE: Final = Millis(60_000)
# Signals that wait for one session that is kept, and their bytes: beyond either, oldest ones
# that are not under way give way to the new one. Ten times what can be under way.
MQTT_QUEUED_MESSAGES_MAX: Final = 10_000
MQTT_QUEUED_BYTES_MAX: Final = 64 * MIB
# And for a client that is there and whose session goes with it, while it acknowledges none or
# reads too slowly: they are in memory only. Beyond it, the oldest give way, too.
MQTT_WAITING_MESSAGES_MAX: Final = 1000
MQTT_WAITING_BYTES_MAX: Final = 8 * MIB
# Retained messages that a new subscription is sent in one go; others get their turn between.
MQTT_RETAINED_PAGE_MAX: Final = 100
# How often who subscribes to `$SYS/` is told what has changed there, as Mosquitto does.
MQTT_SYSTEM_INTERVAL: Final = Millis(10_000)
# How long a client waits for the answer to its PINGREQ before it takes the server for gone.
MQTT_PING_TIMEOUT: Final = Millis(10_000)

# ---- connections (server/app.py, connection.py, switchboard.py)

# Open connections of one broker: 1,000 workers with room; a file descriptor each.
CONNECTIONS_MAX: Final = 10_000
# Those beyond it that are told so, at a time; who comes beyond these is cut off without a word.
CONNECTIONS_REFUSED_MAX: Final = 100
# TCP probes a peer that is silent for so many seconds, then every so many seconds, so often:
# in three minutes it is gone. MQTT and AMQP let clients ask for no heartbeat of their own.
PROBE_AFTER: Final = 120
PROBE_EVERY: Final = 15
PROBE_COUNT: Final = 4

# Bytes in a socket's buffer above which its peer's receivers are not served.
WRITE_PAUSE_BYTES: Final = 1 * MIB
# And above which it is not read from either: what it asks for would pile up.
READ_PAUSE_BYTES: Final = 8 * WRITE_PAUSE_BYTES
# A peer that has not hung up by then, or not taken what was said to it, is cut off.
LINGER_TIMEOUT: Final = Millis(5_000)
# Deadlines of a connection are looked at this often even if no earlier one was seen: a token's
# is an instant, and comes sooner when the machine's clock is set forward.
CONNECTION_LOOK_AGAIN: Final = Millis(30_000)
# How long the broker waits for an entity's deadline before it looks at the clock again. Such
# deadlines are instants: when the machine's clock is set forward, they come this much late.
DEADLINES_LOOK_AGAIN: Final = Millis(1_000)

# ---- entities (entities/settings.py)

# A receiver that vanished without its connection closing holds its messages this long at
# most. Long enough for a slow handler, short enough that nobody pages an operator.
LOCK_DURATION_DEFAULT: Final = Millis(60_000)
LOCK_DURATION_MIN: Final = Millis(100)  # shorter locks run out on the way
LOCK_DURATION_MAX: Final = Millis(24 * 3_600_000)  # a day; renewal goes on without a cap
# Failed attempts before a message goes to the dead-letter queue.
MAX_DELIVERY_COUNT_DEFAULT: Final = 10
MAX_DELIVERY_COUNT_MAX: Final = 2_000_000_000
# All messages of a queue, in bytes of what their senders sent.
QUEUE_BYTES_DEFAULT: Final = 16 * GIB
# One message. Service Bus' premium tier takes as much.
MESSAGE_BYTES_DEFAULT: Final = 100 * MIB
MESSAGE_BYTES_MAX: Final = 256 * MIB
# The longest delay or time to live: ten thousand years, so that sums stay far from 2**63.
DURATION_MAX: Final = Millis(10_000 * 366 * 86_400_000)
INSTANT_MAX: Final = UnixMs(DURATION_MAX)  # the latest instant that anybody may ask for
# Priorities 0–9 (AMQP 1.0 §3.2.1 has 0–255; JMS and most brokers have ten).
PRIORITY_MAX: Final = 9
PRIORITY_DEFAULT: Final = 4  # §3.2.1
# An entity's address, in characters; Service Bus allows 260.
ENTITY_PATH_CHARACTERS_MAX: Final = 260
ENTITIES_MAX: Final = 100_000
# Names under a topic, in characters, as Service Bus has them.
SUBSCRIPTION_NAME_CHARACTERS_MAX: Final = 50
RULE_NAME_CHARACTERS_MAX: Final = 50
# Subscriptions of one topic: one send is at most as many enqueues, in one turn.
SUBSCRIPTIONS_MAX: Final = 2_000
# How long a message-id is remembered where duplicates are dropped. At most as in Service Bus;
# at least what a sender takes that has lost its answer and sends again. Service Bus wants 20 s,
# its emulator 5 s; nothing here needs that much, and who tests waits for it.
DUPLICATE_WINDOW_MIN: Final = Millis(1_000)
DUPLICATE_WINDOW_MAX: Final = Millis(7 * 86_400_000)
# An entity that goes by itself is unused for at least this long: no deploy takes longer.
AUTO_DELETE_ON_IDLE_MIN: Final = Millis(300_000)
# What an owner may write on an entity, in characters, as Service Bus has it.
USER_METADATA_CHARACTERS_MAX: Final = 1024
# What its clients say of an entity and the broker only keeps: a dozen rules with their keys. An
# entity's settings have to fit into 64 KiB in the journal.
SERVICE_BUS_CHARACTERS_MAX: Final = 8192
# A message session's id, in characters, as Service Bus has it.
SESSION_ID_CHARACTERS_MAX: Final = 128
# How long a receiver waits for a free session when it does not say; Service Bus' default.
SESSION_PATIENCE_DEFAULT: Final = Millis(65_000)
# A dead-letter reason and its description, in characters each, as Service Bus cuts them.
DEAD_LETTER_TEXT_CHARACTERS_MAX: Final = 4096

# ---- topic names and filters (entities/topic_filter.py)

# Levels of a topic name or filter, as EMQX has it. Buildings and plants are named with ten;
# 64 KiB of separators would be 65,536, each a node of a tree and a step of each walk.
TOPIC_LEVELS_MAX: Final = 128

# ---- last values (entities/last_values.py)

# Subjects of one topic whose last signal it keeps: each takes a KiB of memory, whatever the
# signal's own size, so this is 100 MiB.
LAST_VALUES_MAX: Final = 100_000
# Last values of one answer; the next has the next ones. A subscription's, and HTTP's at most.
LAST_VALUES_PAGE_MAX: Final = 1000
# And of one slice of an answer, that are read from the disk, perhaps, while others wait.
LAST_VALUES_SLICE: Final = 100
# Places in the tree of subjects that one look at last values visits, while others wait: some
# 10 ms. A wildcard before a level that few have visits many and finds few.
LAST_VALUE_VISITS_MAX: Final = 20_000

# ---- filters (filters/)

# A rule's SQL filter or action, in characters: as many as Service Bus takes.
FILTER_CHARACTERS_MAX: Final = 1024
# A selector or a CESQL expression: as many as RabbitMQ takes. Parsing one of this length takes
# some 6 ms of the one thread, once.
SELECTOR_CHARACTERS_MAX: Final = 4096
# The filters of one subscription in the Subscriptions API's dialects, as JSON: three times what
# CESQL would say the same in, and a little.
EVENT_FILTERS_CHARACTERS_MAX: Final = 16_384
# How deep an expression may nest. More than people write; a recursion of this depth is far from
# the end of Python's stack.
FILTER_DEPTH_MAX: Final = 64
# Operators, properties and constants of one expression: what one message may cost, for each
# filter that looks at it, stays near 0.1 ms.
FILTER_NODES_MAX: Final = 1000
# A LIKE pattern, written in a filter or brought by a message. Matching may take a table of its
# length squared in bits: 32 KiB.
LIKE_PATTERN_CHARACTERS_MAX: Final = 512
# Text that a filter makes or matches with LIKE: twice what Service Bus takes for one property.
FILTER_VALUE_CHARACTERS_MAX: Final = 65_536
# Properties that one correlation filter names; Service Bus' bound for conditions of a rule.
CORRELATION_CONDITIONS_MAX: Final = 32
# Values that come with one rule: its filter's properties, its parameters, its action's.
RULE_VALUES_MAX: Final = 100
# SET and REMOVE statements of one action; each may rewrite a property.
ACTION_STATEMENTS_MAX: Final = 32
# Texts whose compiled form is kept: workers that reconnect, and subscriptions that look alike,
# bring the same ones. A few KiB each, and 100 KiB if somebody means to be a burden.
FILTERS_CACHED_MAX: Final = 256

# ---- jobs that are derived from signals (entities/derivations.py, filters/template.py)

# Derivations of one topic: each looks at every signal.
DERIVATIONS_MAX: Final = 100
# A derivation's name, in characters: as a rule's.
DERIVATION_NAME_CHARACTERS_MAX: Final = 50
# A path that subjects are compared with, in characters: deep trees have some 100.
PATH_PATTERN_CHARACTERS_MAX: Final = 1024
# One template, in characters, and its placeholders: a job says what is to be done, and is no
# document. Each placeholder may stand for data of EVENT_FILTERED_BYTES_MAX.
TEMPLATE_CHARACTERS_MAX: Final = 4096
TEMPLATE_PLACEHOLDERS_MAX: Final = 32
# A job's subject and each of its application properties, in characters: what is longer is cut,
# and belongs into its body.
DERIVED_TEXT_CHARACTERS_MAX: Final = 1024
# How deep a template's document nests, which is rendered by recursion.
TEMPLATE_DEPTH_MAX: Final = 32
# Application properties of a job by its template, beside those that tell its cause.
DERIVATION_PROPERTIES_MAX: Final = 32
# How long a derivation waits. Less is no wait: the disk takes a part of it; more, a calendar's.
DERIVATION_PERIOD_MIN: Final = Millis(100)
DERIVATION_PERIOD_MAX: Final = Millis(366 * 86_400_000)
# Keys that one derivation keeps an account of: the sensors of a site. Some 20 MB.
DERIVATION_KEYS_MAX: Final = 10_000
# A key, and what samples are told apart by, in characters.
DERIVATION_KEY_CHARACTERS_MAX: Final = 256
# Values that a threshold keeps of one key, and of all keys of one derivation; some 25 MB.
DERIVATION_SAMPLES_MAX: Final = 1_000
DERIVATION_SAMPLES_IN_ALL_MAX: Final = 200_000
# What an account keeps of its last signal for the job's template, as JSON.
DERIVATION_CONTEXT_BYTES_MAX: Final = 4 * KIB
# Jobs whose time has come that one topic makes in one turn: others wait.
DERIVATION_RUN_MAX: Final = 100
# How long a topic remembers what jobs were derived from: a producer that sends again within it
# derives nothing again. Outages that producers bridge by themselves last minutes.
DERIVATION_CAUSE_WINDOW: Final = Millis(600_000)
# And how many causes of one topic, the newest: some 15 MB.
DERIVATION_CAUSES_MAX: Final = 100_000

# ---- CloudEvents (cloudevents/)

# Attributes of one event. Events have ten to twenty; each is checked by itself.
EVENT_ATTRIBUTES_MAX: Final = 256
# How deep JSON may nest in an event. We read it without recursion, but others should be able
# to read what we pass on: PHP's reader ends at 512, orjson and Python's own near 1,000.
EVENT_JSON_DEPTH_MAX: Final = 512
# Fields of one protobuf message, and items of one Avro record. Two bytes can make one, and each
# is an object before it is looked at.
EVENT_ITEMS_MAX: Final = 65_536
# How deep an Avro event's data may nest, which is read by recursion.
EVENT_AVRO_DEPTH_MAX: Final = 32
# Names in one JSON document that are compared with one another: beyond it, data that came as
# bytes goes as bytes.
EVENT_JSON_MEMBERS_MAX: Final = 65_536
# Attributes of one event as HTTP headers, names and values: half of the 16 KiB that Node.js
# takes for all headers. An event with more goes in structured mode.
EVENT_HEADERS_BYTES_MAX: Final = 8 * KIB
# A string of MQTT 5 (§1.5.4): its length has two bytes. An event with a longer one goes in
# structured mode.
MQTT_STRING_BYTES_MAX: Final = 65_535

# A message whose body a filter looks into for an event's attributes (structured mode). Every
# intermediary must forward an event of this size; looking through it takes some ms of the one
# thread. A larger one has the attributes that its properties repeat.
EVENT_FILTERED_BYTES_MAX: Final = 64 * KIB

# A topic's JSON Schema, as text: it is kept among the topic's settings, which have 64 KiB.
EVENT_SCHEMA_BYTES_MAX: Final = 24 * KIB
# How deep a schema may nest: more than people write, and far from the end of Python's stack.
EVENT_SCHEMA_DEPTH_MAX: Final = 64
# A message whose data are held against a schema: every intermediary must forward an event of
# this size, and to look through it takes some ms of the one thread.
EVENT_SCHEMA_MESSAGE_BYTES_MAX: Final = 64 * KIB
# Rules that are asked of one message's data, each in some ten microseconds of the one thread.
EVENT_SCHEMA_STEPS_MAX: Final = 5_000
# Schemas that are kept ready: of topics, and those that somebody tries.
EVENT_SCHEMAS_CACHED_MAX: Final = 256

# A document over HTTP that is read to find its event, or a batch of them: in plain Python that
# takes up to 0.3 s. Binary mode has an event's data as bytes, up to what its entity takes.
EVENT_DOCUMENT_BYTES_MAX: Final = 1 * MIB
# Beyond it, it is read on a thread of its own, while others are served: 64 KiB take some ms.
EVENT_SCANNED_AT_ONCE_BYTES_MAX: Final = 64 * KIB
# A document over MQTT that is read to find its event, and data that is looked through to stand
# in one. There is no thread for it: dense JSON of that size takes some 13 ms, compiled.
MQTT_EVENT_BYTES_MAX: Final = 256 * KIB

# ---- messages (frontends/amqp_intake.py)

# A message-id and, where they decide something, a session's id and a partition key, in
# characters: they are kept in memory beside the message. Service Bus has the same.
ID_CHARACTERS_MAX: Final = 128
# Messages of one envelope: they are taken in one turn, which others wait for.
BATCH_MESSAGES_MAX: Final = 10_000

# ---- engine (engine/)

# Messages handed out in one go before other receivers and other work get their turn.
DISPATCH_RUN_MAX: Final = 1000
# A transaction's sends and settlements: what one append, and so one record, may hold.
TRANSACTION_ACTIONS_MAX: Final = 1000
TRANSACTION_BYTES_MAX: Final = 64 * MIB
# How long a transaction may be open: what it would settle is locked, and stays in memory.
TRANSACTION_DURATION_MAX: Final = Millis(120_000)
# Open transactions of one controller's link.
TRANSACTIONS_OPEN_MAX: Final = 100
# How often a message may be forwarded, as Service Bus has it: what needs more is a mistake.
FORWARD_HOPS_MAX: Final = 4
# Messages that leave a queue in one turn when it begins to forward, or its target has taken
# none for a while: each is looked into, and others wait.
FORWARD_RUN_MAX: Final = 100
# When a target takes nothing, it is asked again after this.
FORWARD_RETRY: Final = Millis(1000)
# Messages whose properties one settlement changes, with these: all are read and written anew,
# and others wait. A single one may be larger.
CHANGED_BYTES_MAX: Final = 4 * MIB
# Messages that one peek or management request may ask for.
PEEK_COUNT_MAX: Final = 1000
# And their bytes; the first one is shown, however large.
PEEK_BYTES_MAX: Final = 1 * MIB
# Messages that one request of Service Bus' batch-delete-messages may ask for, as it has it.
BATCH_DELETE_COUNT_MAX: Final = 4000
# Messages that the filter of one management request is asked of: some have to be read from the
# disk, and others wait. The reply says where the next request goes on.
FILTER_LOOKS_MAX: Final = 1000

# Messages that one request removes or moves; who wants more of them asks again. Others wait.
CHANGE_COUNT_MAX: Final = 10_000
# What is looked at for a snapshot before others get their turn, in a millisecond or two. Of
# message sessions' states so many bytes, and one more state.
SNAPSHOT_SLICE_COUNT: Final = 1000
SNAPSHOT_SLICE_BYTES: Final = 1 * MIB
# And when a segment is emptied: messages looked at, and bytes of them copied.
EMPTYING_SLICE_COUNT: Final = 5000
EMPTYING_SLICE_BYTES: Final = 1 * MIB

# ---- HTTP (frontends/http/, server/http_listener.py)

# One request's body. An entity's description is a few KiB; with a thousand properties of a
# correlation filter, some 200.
HTTP_BODY_BYTES_MAX: Final = 256 * KIB
# A request's line and headers; tokens are the longest of them.
HTTP_HEADER_BYTES_MAX: Final = 64 * KIB
# Open connections of the listener: one a worker that waits, and room for short requests.
HTTP_CONNECTIONS_MAX: Final = 1000
# How long a client may take for its first byte and its TLS handshake, and then for a request;
# an idle connection is one whose next request has not begun.
HTTP_HANDSHAKE_TIMEOUT: Final = Millis(10_000)
HTTP_REQUEST_TIMEOUT: Final = Millis(30_000)
# One batch of messages as JSON: all of it is decoded, into many times its size.
HTTP_BATCH_BYTES_MAX: Final = 4 * MIB
# Bodies of messages on their way in or out, over all requests: two of the largest that any
# entity may take, or thousands of usual ones. Who comes when it is used up comes again.
HTTP_BODIES_BYTES_MAX: Final = 512 * MIB
# Requests that wait for a message. Each keeps its connection; the others are for those who
# have one and want to settle it.
HTTP_WAITING_MAX: Final = 800
# How long a request waits for a message when it does not say, as in Service Bus; and at most:
# proxies between give up on what takes longer.
HTTP_WAIT_DEFAULT: Final = Millis(60_000)
HTTP_WAIT_MAX: Final = Millis(300_000)
# A body that comes at this rate, in bytes a second, has as long as it takes: 100 MiB, half an
# hour.
HTTP_BODY_RATE_MIN: Final = 64 * KIB
# Streams of topics' events. Each keeps its connection, as those who wait do.
HTTP_STREAMS_MAX: Final = 200
# What one of them has not read yet: beyond it, events are skipped, and it is told how many.
HTTP_STREAM_BUFFER_BYTES_MAX: Final = 256 * KIB
# Signals that no stream has been offered yet: they wait while senders and workers are served.
HTTP_STREAMS_BACKLOG_BYTES_MAX: Final = 8 * MIB
# A stream with nothing to tell says so: proxies end what is silent, often after 30 s or 60 s.
HTTP_STREAM_SILENCE_MAX: Final = Millis(15_000)
# Then it ends, and a browser asks anew by itself: so a right that was taken away does not last.
HTTP_STREAM_DURATION_MAX: Final = Millis(3_600_000)
# One message of a WebSocket. None is gathered: this is for a peer that never ends one. Clients
# put what they have into one, up to an AMQP message as large as any entity takes.
WEBSOCKET_MESSAGE_BYTES_MAX: Final = 256 * MIB
# And one of ours: clients have buffers for a whole one.
WEBSOCKET_SENT_BYTES: Final = 64 * KIB
# Elements of an XML body, and how deep they nest: an entity's description has some forty.
XML_ELEMENTS_MAX: Final = 10_000
XML_DEPTH_MAX: Final = 32
# How often it is looked who has taken too long for a request.
HTTP_LOOK_AGAIN: Final = Millis(1_000)
# For a client that does not answer the end of TLS.
HTTP_FAREWELL_TIMEOUT: Final = Millis(1_000)
# After the process ran out of file descriptors: trying again at once keeps it busy for nothing.
HTTP_ACCEPT_PAUSE: Final = Millis(500)
# Entities of one page of a list; clients ask for 100.
HTTP_PAGE_MAX: Final = 1000

# ---- metrics (management/metrics.py, server/loop_lag.py)

# Queues and subscriptions that metrics have labels for, and topics: each is some fifteen time
# series for whoever stores them, and 50 µs of a thread beside the event loop at each look.
METRICS_ENTITIES_MAX: Final = 1000
# How often it is looked how late the event loop is, once somebody has asked, and how many looks
# the worst of is told: a minute's, so that no pause falls between two scrapes of Prometheus.
LOOP_LAG_INTERVAL: Final = Millis(1_000)
LOOP_LAG_LOOKS: Final = 60
# Nobody has asked for so long: nobody looks any more.
LOOP_LAG_IDLE: Final = Millis(300_000)

# ---- webhooks (entities/push.py, frontends/push_gate.py, server/pusher.py)

# A URL that is pushed to: what servers commonly take as a request line is 8 KiB.
PUSH_URL_CHARACTERS_MAX: Final = 2048
# The Authorization header of its requests: tokens of identity providers have up to 2 KiB.
PUSH_AUTHORIZATION_CHARACTERS_MAX: Final = 4096
# Further header fields of each request, and the JSON that says them: servers commonly take
# headers of 8 KiB in all, and an event's attributes are among them.
PUSH_HEADERS_MAX: Final = 16
PUSH_HEADERS_CHARACTERS_MAX: Final = 4096
# Requests of one webhook at a time: each has a connection, and a message locked.
PUSH_CONCURRENCY_MAX: Final = 64
# And of all webhooks: they are connections and bodies in memory. What comes on top waits.
PUSH_REQUESTS_MAX: Final = 200
# And the bytes of their messages, over all of them; each is in memory two or three times.
PUSH_REQUESTS_BYTES_MAX: Final = 128 * MIB
# Requests a minute that can be asked for: one webhook's share of what a core can write.
PUSH_PER_MINUTE_MAX: Final = 60_000
# How long a receiver may take for its answer: as long as those of the large clouds may; a
# message is locked meanwhile, and after its lock's time another one may have it.
PUSH_TIMEOUT_DEFAULT: Final = Millis(30_000)
PUSH_TIMEOUT_MIN: Final = Millis(100)
PUSH_TIMEOUT_MAX: Final = Millis(300_000)
# What is left of a lock for telling the journal how it went.
PUSH_LOCK_RESERVE: Final = Millis(50)
# One message that is pushed: all of it is in memory, as often as it is written anew.
PUSH_BYTES_MAX: Final = 16 * MIB
# What is read of an answer's body, and how long: it decides nothing, but a connection whose
# answer is not read cannot be used again.
PUSH_ANSWER_BYTES_MAX: Final = 64 * KIB
PUSH_ANSWER_TIMEOUT: Final = Millis(1_000)
# A receiver that fails is left alone for this long, twice as long each further time in a row,
# up to a minute: a restart takes seconds, and nobody is to wait long after it.
PUSH_PAUSE_FIRST: Final = Millis(1_000)
PUSH_PAUSE_MAX: Final = Millis(60_000)
# A receiver that has not given leave is asked again after these, longer each time.
PUSH_ASK_FIRST: Final = Millis(5_000)
PUSH_ASK_MAX: Final = Millis(300_000)
# The longest that Retry-After can hold a webhook up; then it is tried again.
PUSH_RETRY_AFTER_MAX: Final = Millis(3_600_000)
# How long a receiver may take to give leave by a callback: a person may have to.
PUSH_CALLBACK_VALID: Final = Millis(3_600_000)

# ---- recoverable links (entities/kept_links.py)

# Recoverable links of one broker, attached or away. Each holds some KiB while deliveries are in
# doubt.
KEPT_LINKS_MAX: Final = 10_000
# What names a recoverable link: its container-id and its name, in characters each. They are
# kept, and written again with each snapshot.
KEPT_LINK_NAME_CHARACTERS_MAX: Final = 512
# Deliveries of one such link whose outcome its peer may not have heard. A sender is granted
# AMQP_SENDER_CREDIT in all, so no more of its own can be in doubt; the newest are remembered.
KEPT_DELIVERIES_MAX: Final = AMQP_SENDER_CREDIT
# How long such a link is remembered while nobody has it, when it does not say; and at most. An
# outage that nobody repairs within a day is repaired by people, who look at what was sent.
KEPT_LINK_LIFETIME_DEFAULT: Final = Millis(24 * 3_600_000)
KEPT_LINK_LIFETIME_MAX: Final = Millis(7 * 86_400_000)

# ---- store (store/, server/commit.py, server/housekeeping.py)

# Message bodies that stay in memory; beyond it they are read back from the journal.
RESIDENT_BYTES_DEFAULT: Final = 128 * MIB
# One segment file of the journal: small enough to free soon, large enough to be rare.
SEGMENT_BYTES_DEFAULT: Final = 64 * MIB
# Free bytes of the journal's disk below which sends are refused, so that settling goes on.
DISK_FREE_BYTES_MIN: Final = 256 * MIB
# What may be written between two looks at the disk's free space.
ROOM_CHECK_BYTES: Final = 4 * MIB
# What is read of a segment at once when a body is wanted that is not in memory: its neighbours
# are wanted next. And how many such blocks are kept: a few queues, each with its own place.
BODY_BLOCK_BYTES: Final = 256 * KIB
BODY_BLOCKS_MAX: Final = 32
# How often a disk that has no room is tried again: whoever settles waits for it.
DISK_LOOK_AGAIN: Final = Millis(200)
# How often it is looked whether a snapshot is due, or segments are to go.
HOUSEKEEPING_LOOK_AGAIN: Final = Millis(500)
# The same when it has failed: the disk's error is hardly gone at once.
HOUSEKEEPING_FAILED_PAUSE: Final = Millis(5_000)
# What of a segment is given back to the disk in one go: about a millisecond of ext4's time,
# in which no sync ends.
FREEING_SLICE_BYTES: Final = 4 * 1024 * 1024
# How many times as long as a slice took nothing is freed, for as long as the disk has room.
FREEING_REST_FACTOR: Final = 9

# ---- logins (server/login_desk.py, security/scram.py)

# Names with passwords that were verified are known again for so long after their last login,
# and after the end of a connection by it: time for a network or a proxy to come back.
LOGIN_MEMORY_LIFETIME: Final = Millis(600_000)
# As many as there may be connections; each takes a few hundred bytes.
LOGIN_MEMORY_COUNT_MAX: Final = CONNECTIONS_MAX

# Iterations of PBKDF2 that each SCRAM client goes through at its login (RFC 7677 §4 wants 4096
# at least): 5 ms on a server, half a second or two on a microcontroller. That is no match for
# a stolen list of verifiers with short passwords in it; long random ones need no more.
SCRAM_ITERATIONS: Final = 15_000
SCRAM_ITERATIONS_MIN: Final = 4096
# Beyond this, clients take minutes.
SCRAM_ITERATIONS_MAX: Final = 10_000_000
# One message of the dialogue: a name, two nonces, a proof.
SCRAM_MESSAGE_BYTES_MAX: Final = 4 * KIB

# ---- tokens and files (security/tokens.py, server/emulator_config.py)

# A signature or a JSON Web Token: far more than any sensible one has.
TOKEN_CHARACTERS_MAX: Final = 16_384
# By whose name an MQTT session is kept: a token's subject, or its key and entity. An entity's
# path may be as long, and names of people and devices are shorter.
TOKEN_HOLDER_CHARACTERS_MAX: Final = 512
# The emulator's Config.json: a million lines of it, and no file that was named by mistake.
EMULATOR_CONFIG_BYTES_MAX: Final = 16 * MIB
