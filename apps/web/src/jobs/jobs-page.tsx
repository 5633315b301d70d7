export function JobsPage(_: {query: object}){ return <p>x</p>; }
