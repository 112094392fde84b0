// What a message is comes back as it went in. Both are told as text that names the AMQP types.
'use strict';

const { connect, rhea, Receiver, Sender } = require('./client.js');

const { message, types } = rhea;
const SECTIONS = {
    0x70: 'header',
    0x71: 'delivery-annotations',
    0x72: 'message-annotations',
    0x73: 'properties',
    0x74: 'application-properties',
    0x75: 'data',
    0x76: 'amqp-sequence',
    0x77: 'amqp-value',
    0x78: 'footer',
};

// AMQP's primitive types (§1.6), at their ends where they have ends. Made anew for each use:
// rhea writes a section's descriptor into the value that becomes the section.
const simple = () => ({
    boolean: types.wrap_boolean(true),
    ubyte: types.wrap_ubyte(2 ** 8 - 1),
    ushort: types.wrap_ushort(2 ** 16 - 1),
    uint: types.wrap_uint(2 ** 32 - 1),
    ulong: types.wrap_ulong(Buffer.alloc(8, 0xff)),
    byte: types.wrap_byte(-(2 ** 7)),
    short: types.wrap_short(-(2 ** 15)),
    int: types.wrap_int(-(2 ** 31)),
    long: types.wrap_long(Buffer.from('8000000000000000', 'hex')),
    float: types.wrap_float(-1.5),
    double: types.wrap_double(1e300),
    decimal32: types.Decimal32(Buffer.from('22500001', 'hex')),
    decimal64: types.Decimal64(Buffer.from('2238000000000001', 'hex')),
    decimal128: types.Decimal128(Buffer.from('22080000000000000000000000000001', 'hex')),
    char: types.wrap_char(0x2603),
    timestamp: types.wrap_timestamp(-1),
    uuid: types.wrap_uuid(Buffer.from('0123456789abcdef0123456789abcdef', 'hex')),
    binary: types.wrap_binary(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))),
    string: types.wrap_string('Grüße \u2603'.repeat(50)),
    symbol: types.wrap_symbol('com.example:word'),
});

const everything = () => ({
    ...simple(),
    list: types.wrap_list([1, 'two', types.wrap_symbol('three'), null, [], [4.5]]),
    emptyList: types.wrap_list([]),
    map: types.wrap_map({ a: 1, b: [2], c: { d: null } }),
    array: types.wrap_array([1, 2, 3], 0x71),
    arrayOfDescribed: types.wrap_array([20, 21], 0x71, types.wrap_symbol('celsius')),
    described: [types.wrap_described([1, 2], 'com.example:point')],
    describedByNumber: [types.wrap_described('x', 2 ** 40)],
});

const bodies = () => ({
    null: null,
    data: message.data_section(Buffer.alloc(70_000, 'data')),
    dataEmpty: message.data_section(Buffer.alloc(0)),
    dataSeveral: message.data_sections([Buffer.from('a'), Buffer.from('b')]),
    sequence: message.sequence_section(Object.values(everything())),
    sequenceSeveral: message.sequence_sections([[1, 'two'], [], [types.wrap_int(3)]]),
    ...everything(),
});

// A value as text. Types by their names in the specification, however wide their encoding.
function shown(typed) {
    const described = typed.descriptor ? `(${shown(typed.descriptor)}) ` : '';
    return described + bare(typed);
}

function bare(typed) {
    return `${typeName(typed)} ${shownValue(typed)}`;
}

function typeName({ type }) {
    const fixed = /^(Decimal|CharUTF)/.test(type.name) ? type.name : null;
    return fixed || type.name.replace(/^Small|\d+$/g, '').replace(/^(True|False)$/, 'Boolean');
}

function shownValue(typed) {
    const { value } = typed;
    if (Buffer.isBuffer(value)) return value.toString('hex');
    if (value instanceof Date) return String(value.getTime());
    if (!Array.isArray(value)) return String(value);
    const items = value.map(shown);
    if (!typeName(typed).startsWith('Array')) return `[${items.join(', ')}]`;
    const of = typed.array_constructor.descriptor;
    return `${of ? shown(of) : ''}[${items.join(', ')}]`;
}

// An encoded message as its sections: pairs of a name and a text, or for maps an object.
function sectionsOf(encoded) {
    const reader = new types.Reader(encoded);
    const found = [];
    while (reader.remaining()) {
        const section = reader.read();
        const name = SECTIONS[Number(section.descriptor.value)];
        found.push([name, types.is_map(section) ? entries(section) : bare(section)]);
    }
    return found;
}

function entries({ value }) {
    const found = {};
    for (let at = 0; at < value.length; at += 2) found[shown(value[at])] = shown(value[at + 1]);
    return found;
}

// rhea decodes what it hands over; the bytes are what this is about.
let received = null;
const decode = message.decode;
message.decode = (encoded) => {
    received = encoded;
    return decode(encoded);
};

async function thereAndBack({ queue, dead, ...to }, sent) {
    const connection = await connect(to);
    const outcome = await new Sender(connection, queue).send(sent);
    if (outcome.state !== 'accepted') throw new Error(JSON.stringify(outcome));
    const receiver = new Receiver(connection, queue);
    const { delivery } = await receiver.take();
    if (dead) {
        const why = { condition: 'app:bad', description: 'test' };
        await receiver.settle(delivery, 'reject', why);
        await new Receiver(connection, `${queue}/$DeadLetterQueue`).take();
    }
    return { sent: sectionsOf(message.encode(sent)), got: sectionsOf(received) };
}

// Each body in a message and a queue of its own.
exports.bodies = async ({ queue, ...to }) => {
    const results = {};
    for (const [name, body] of Object.entries(bodies())) {
        const given = { queue: `${queue}-${name}`, ...to };
        const { sent, got } = await thereAndBack(given, { body });
        results[name] = { sent: bodyOf(sent), got: bodyOf(got) };
    }
    return results;
};

function bodyOf(sections) {
    return sections.filter(([name]) => /^(data|amqp-.*)$/.test(name));
}

exports.sections = async (given) => {
    const { sent, got } = await thereAndBack(given, fullMessage(given.id));
    return { sent: Object.fromEntries(sent), got: Object.fromEntries(got) };
};

function fullMessage(id) {
    return {
        durable: true,
        priority: 9,
        ttl: 60_000,
        delivery_annotations: { 'x-hop': 'for the next hop alone' },
        message_annotations: prefixed('x-', everything()),
        message_id: id === 'uuid' ? simple().uuid : id,
        user_id: Buffer.from([0, 117]),
        to: 'to/somebody',
        subject: 'booked',
        reply_to: 'replies',
        correlation_id: types.wrap_ulong(2 ** 40),
        content_type: 'application/json',
        content_encoding: 'identity',
        absolute_expiry_time: 4_000_000_000_000,
        creation_time: 1_700_000_000_000,
        group_id: 'customer-1',
        group_sequence: 2 ** 32 - 1,
        reply_to_group_id: 'customer-2',
        application_properties: simple(),
        body: 'body',
    };
}

function prefixed(prefix, values) {
    return Object.fromEntries(
        Object.entries(values).map(([name, value]) => [prefix + name, value]),
    );
}
