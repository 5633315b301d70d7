export function CorpusPage(_: {name:string}){ return <p>x</p>; }
