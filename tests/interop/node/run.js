// node run.js FILE SCENARIO '{"port": …}': runs one scenario of a file, prints its result as
// JSON.
'use strict';

const [file, scenario, given] = process.argv.slice(2);
const scenarios = require(`./${file}.js`);

// It exits, since a connection that is still open would keep it alive; but not before the
// pipe has taken all.
scenarios[scenario](JSON.parse(given)).then(
    (result) => process.stdout.write(JSON.stringify(result) + '\n', () => process.exit(0)),
    (error) => {
        console.error(error);
        process.exitCode = 1;
        process.stderr.write('', () => process.exit());
    },
);
