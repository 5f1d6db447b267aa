"""Cities where the synthetic people are born and where their employers sit: plain names without a state,
real or realistic, with the first 64 being single words and no name being a word-prefix of another."""

CITIES = tuple(
    """
Ravenna|Boston|Denver|Lisbon|Oslo|Dallas|Seattle|Chicago|Toronto|Geneva|Dublin|Memphis|Atlanta|Vienna
Portland|Houston|Tucson|Miami|Omaha|Salem|Tampa|Phoenix|Detroit|Berlin|Madrid|Athens|Prague|Naples
Helsinki|Leeds|Bristol|Cardiff|Albany|Raleigh|Nashville|Tulsa|Wichita|Spokane|Tacoma|Eugene|Fresno
Oakland|Pasadena|Anaheim|Boise|Reno|Laredo|Amarillo|Toledo|Dayton|Akron|Cincinnati|Pittsburgh|Baltimore
Hartford|Buffalo|Syracuse|Rochester|Montreal|Calgary|Halifax|Winnipeg|Glasgow|Antwerp|Ottawa|Edmonton
Regensburg|Hamburg|Munich|Stuttgart|Bologna|Verona|Trieste|Seville|Granada|Bilbao|Porto|Coimbra|Krakow
Gdansk|Budapest|Zagreb|Ljubljana|Tallinn|Riga|Vilnius|Bergen|Uppsala|Aarhus|Utrecht|Leiden|Ghent|Lyon
Marseille|Nantes|Toulouse|Nairobi|Accra|Kampala|Dakar|Tunis|Casablanca|Osaka|Kyoto|Nagoya|Sapporo|Busan
Taipei|Manila|Hanoi|Jakarta|Bangkok|Chennai|Mumbai|Pune|Jaipur|Lahore|Colombo|Perth|Brisbane|Melbourne
Hobart|Wellington|Auckland|Lima|Quito|Bogota|Montevideo|New Haven|Oak Park|Port Alder|Salt Lake City
Santa Fe|San Diego|San Antonio|San Jose|Los Angeles|Las Vegas|Little Rock|Baton Rouge|Des Moines
Cedar Rapids|Sioux Falls|Grand Rapids|Green Bay|Fort Worth|Fort Wayne|Long Beach|Palm Springs
Virginia Beach|Kansas City|Oklahoma City|New Orleans|Jersey City|Ann Arbor|Chapel Hill|Corpus Christi
El Paso|Santa Clara|Santa Cruz|Palo Alto|Mountain View|Redwood City|Walnut Creek|Silver Spring
Falls Church|Cherry Hill|Mill Harbor|Stone Bridge|Elm Crossing|Maple Hollow|Alder Falls|Fox River
Eagle Pass|Clear Lake|Bay Ridge|Rock Hill|Cape Town|Buenos Aires|Rio Verde|Monte Claro|Port Elden
Lake Arden|Mount Calder|North Haddon|South Brenley|East Wexley|West Marden|Milton Keynes|Hong Kong
Tel Aviv|Kuala Lumpur|Old Harbor|White Plains|Iron Mountain|Copper Canyon|Battle Creek|Coral Gables
Glen Cove|Niagara Falls
""".strip()
    .replace("\n", "|")
    .split("|")
)
