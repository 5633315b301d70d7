export function JobPage(_: {id:string}){ return <p>x</p>; }
