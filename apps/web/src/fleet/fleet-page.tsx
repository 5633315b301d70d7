export function FleetPage(){ return <p>x</p>; }
