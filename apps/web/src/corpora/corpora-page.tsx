export function CorporaPage(){ return <p>x</p>; }
