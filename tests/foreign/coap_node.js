// An LwM2M client made of npm's coap-node and smartobject, for tests/foreign: `node coap_node.js HOST PORT ENDPOINT`. Lines of commands in
// (`measure 22`, `end`), lines of JSON out. CODECGATE_NODE_MODULES names the folder where the two packages lie.
const path = require('path');
const modules = process.env.CODECGATE_NODE_MODULES || path.join(__dirname, 'node_modules');
const SmartObject = require(path.join(modules, 'smartobject'));
const CoapNode = require(path.join(modules, 'coap-node'));

const [host, port, endpoint] = process.argv.slice(2);
const tell = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

const objects = new SmartObject();
let light = false;
objects.init('temperature', 0, { sensorValue: 21.5, units: 'C' });
objects.init('lightCtrl', 0, {
  onOff: {
    read: done => done(null, light),
    write: (value, done) => {
      light = value;
      tell('written', { value });
      done(null, value);
    },
  },
});

const node = new CoapNode(endpoint, objects, { lifetime: 300 });
node.on('error', error => tell('failed', { text: String(error) }));
node.register(host, Number(port), (error, answer) => {
  if (error) return tell('failed', { text: String(error) });
  tell(answer.status === '2.01' ? 'registered' : 'refused', { code: answer.status });
});

require('readline').createInterface({ input: process.stdin }).on('line', line => {
  const [verb, value] = line.split(' ');
  if (verb === 'measure') objects.write('temperature', 0, 'sensorValue', Number(value), () => tell('measured'));
  if (verb === 'deregister') node.deregister((error, answer) => tell('deregistered', { code: answer && answer.status }));
  if (verb === 'end') process.exit(0);
});
