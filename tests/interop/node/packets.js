// npm's mqtt-packet at the end of a pipe. A line in is {"version", "hex"} to be parsed or
// {"version", "packet"} to be generated; a line out is the packet or the hex, or the error.
// Binary data are {"hex": …} in both directions.
'use strict';

const readline = require('readline');
const mqtt = require('mqtt-packet');

const revive = (key, value) =>
    value && typeof value === 'object' && typeof value.hex === 'string'
        ? Buffer.from(value.hex, 'hex')
        : value;

// A Buffer turns itself into {type, data} before it is seen here.
const plain = (key, value) =>
    value && value.type === 'Buffer' ? { hex: Buffer.from(value.data).toString('hex') } : value;

function parse(version, data) {
    const parser = mqtt.parser({ protocolVersion: version });
    const packets = [];
    let failed = null;
    parser.on('packet', (packet) => packets.push(packet));
    parser.on('error', (error) => (failed = failed || error.message));
    parser.parse(data);
    if (failed) {
        return { error: failed };
    }
    return packets.length === 1 ? { packet: packets[0] } : { error: `${packets.length} packets` };
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const asked = JSON.parse(line);
    let answer;
    try {
        if (asked.packet) {
            const packet = JSON.parse(JSON.stringify(asked.packet), revive);
            const options = { protocolVersion: asked.version };
            answer = { hex: mqtt.generate(packet, options).toString('hex') };
        } else {
            answer = parse(asked.version, Buffer.from(asked.hex, 'hex'));
        }
    } catch (error) {
        answer = { error: error.message };
    }
    process.stdout.write(JSON.stringify(answer, plain) + '\n');
});
