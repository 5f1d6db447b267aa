"""Universities, majors and employers of the synthetic people, with the city of each employer:
HEADQUARTERS[i] is the city (a value of places.CITIES) of EMPLOYERS[i]. The first 64 universities and
employers and the first 32 majors are single words, and the first 16, 32 and 64 employers sit in the
first 16, 32 and 64 cities."""

UNIVERSITIES = tuple(
    """
Marlowood|Branfield|Kestwick|Aldenmoor|Thornbury|Wexcombe|Hollowell|Stanmere|Ravenholt|Penrowe|Ashcombe
Brightwell|Caldermere|Dunhaven|Elmsford|Fairmoor|Glenwick|Hartwood|Inglemere|Kenwold|Larkhurst|Merrivale
Northam|Oakhurst|Pembury|Quenby|Rosemont|Silverton|Tolworth|Underhill|Valemont|Whitmore|Yardley|Zellwood
Amberley|Birchmont|Copperfield|Draymoor|Eastmere|Foxhall|Graymont|Heathcombe|Ivydale|Jasperly|Kingsmead
Lindenhall|Montrose|Netherby|Orchardson|Pinecrest|Queensbury|Ridgemont|Stonehurst|Tidewell|Upwood
Verndale|Willowmere|Yewdale|Archwood|Bellmont|Cranleigh|Dovecote|Everwood|Fernhill
University of Lower Sable|University of Lorne Valley|Westering University|Carbury Polytechnic
Aria Hall Conservatory|Osterley University|Plover College|Institute of Technology at Brenn
Hearthstone Medical College|Tinsel Gate Academy of Arts|Swallowfield College|Old Chapel College
Lavender Hill College|University of Pendrake|University of Portwen|Institute of Technology at Farrowgate
Hawkshead College|Faircroft University|Institute of Technology at Stormont Bay|Ironbrook University
Indigo Gate School of Design|Isley University|Tarnbrook University|Riverglen College
South Prairie State University|Nordheim Technical University|Gullwing Maritime Academy|Hedgerow College
Cottonwood State University|Lantern Point Maritime Academy|University of Ambrook
Gantry Point Polytechnic|Clover Hill Agricultural College|Lindau Moor Technical University
Wolf Canyon State University|Juniper Gate College|Royal College of Averne|Tramore Polytechnic
Long Meadow State University|Cadenza Conservatory|National University of Valdoria|Rushmere University
Institute of Technology at Kettering Vale|Candlewick College|Palette Bay School of Design
Cape Lorn Maritime Academy|University of Dorrance|Tannwald Technical University|University of Hithermoor
University of Tarrant|Hallenburg Technical University|Quillstone College|Laurel Bank College
University of Stellan|Emberton University|Nettlecombe University|Elkwater University
Lyrebird Conservatory|Drumlin University|Blythewood University|University of Yelverton
Dusty Plains State University|Flint Ridge State University|Moose Lake State University|Otterburn College
University of Selkirk Sands|Kilnwood Polytechnic|University of Jarrowmont|Gannet Point University
University of Ravelin|Wheatfield Agricultural College|Sandwell Bay University|Sorrel Creek University
University of Ullermont|Wistowe College|Elk Prairie State University|Harrow Valley University
Saint Merryn College|Kelford University|Institute of Technology at Varley|University of Brindle Plains
Mercygate Medical College|Brackenridge University|Millstone Institute of Technology
University of Mistral Bay|Adlerberg Technical University|Delphine Bay Institute of Technology
Anchor Bay Maritime Academy|Ryeland College|Weavers Yard School of Design|Finchley Park University
Brandau Technical University|Steelhaven Polytechnic|Stillwater Hall College|University of Eskmouth
Barrowby College|Millbrook Abbey College|Nocturne Hill Conservatory|University of Gorsedale
Dockside Polytechnic|Marchwood University|University of Western Arden|University of Cardmoor
Saint Luan Medical College|Ashgrove Polytechnic|Bankside School of Economics|Royal College of Esterhall
Sunderwick Academy of Arts|University of Belcaster|Willowbark Medical College|Fosse Hill College
Institute of Technology at Marrick|Atelier Row School of Design|Ledger Hall School of Economics
Dellwood University|Hazelmere University|Eisenfurt Technical University|Spindrift Maritime Academy
Copperstone School of Economics|Vinehall University|Hobbsdale University|University of Kelmarsh
Larchmere College|Castle Rowan University|Calloway University|University of Oldcastle
Saint Wilda College|Keswyn College|University of Zennor|Grand Juniper State University
University of Fenwold|Ironbridge Polytechnic|Millrace Polytechnic|Meadowgate College
University of Vellacott|Barley Vale Agricultural College|Harvest Moor Agricultural College
National University of Cordania|Foundry Hill Polytechnic|Abbotswell College
Painted Desert State University|Bellhaven Polytechnic|Thistledown University|Kirkholm University
Silver Lake State University|Institute of Technology at Corvin|National University of Montavia
High Mesa State University|Vesper Hill University|Canvas Hill School of Design
Institute of Technology at Lindmouth|Guildgate School of Economics|Royal College of Tewsbury
University of Upper Carrick|Three Elms College|University of Rowanshire
Institute of Technology at Daleport|Institute of Technology at Tolland Pier|White River State University
Viola Park Conservatory|Ulverdale University|University of Norrland Coast|Rosenthal Technical University
University of Osmere|University of Cresswater|Deerhurst College|Cobblestone College
Songbird Lane Conservatory|Birdwood College|University of Garroway|Vicarage Green College
Arkwell Institute of Technology|Institute of Technology at Eastlock|University of Dunwick
North Cascade State University|Caduceus Hill Medical College|Royal College of Lanmark|Quarley University
Everhart Institute of Technology|Royal College of Candover|Gladstone Hall College
Cormorant Bay University|Tallgrass State University|Exchange Hill School of Economics
Alderbank State University|Corrigan Heights University|Tamarack University|Harborough Polytechnic
Kilbride Institute of Technology|University of Elmstead|Newcomb Lake Institute of Technology
Greyhaven University|Cranford Hill Institute of Technology|Norwell University
Plowden Agricultural College|University of Northern Tamsin|Lowmoor University
Hexham Moor Institute of Technology|Langmere University|University of Halstow
National University of Altamar|National University of Esmeral|Galenwood Medical College
Telford Ridge Institute of Technology|Marble Court Academy of Arts|Stormhaven Maritime Academy
Redstone State University|Sawtooth State University|University of Innisbrook|Holmbury University
Lockhaven Institute of Technology|Fresco Hill Academy of Arts|Paxworth University|Umberleigh College
Galvan Ridge Institute of Technology|Yarrow Hill University|University of Medway Sound
Redgate University|Tillingham College|Saint Orlan College|Wrenfield University|Jessamine University
University of Falderon|Institute of Technology at Holt Ferry|Orrin Lake University
Big Sable State University|Eddington Green College|Ashdown University|Boltmoor Institute of Technology
Belvoir Academy of Arts|Saltmarsh University|Mossley University|Cedar Bluff State University
Nightingale Hall College|Pellham University|University of Kintail
""".strip()
    .replace("\n", "|")
    .split("|")
)

MAJORS = tuple(
    """
Biology|Chemistry|Physics|Mathematics|Statistics|Economics|History|Philosophy|Psychology|Sociology
Anthropology|Linguistics|Geology|Astronomy|Geography|Archaeology|Journalism|Nursing|Architecture|Music
Dance|Theater|Botany|Zoology|Finance|Accounting|Marketing|Theology|Agronomy|Forestry|Law|Classics
Dental Hygiene|Forensic Science|Soil Science|Fashion Design|Fine Arts|Social Work|Materials Science
Industrial Design|Slavic Languages|Creative Writing|Library Science|Political Science|Public Health
Exercise Science|German Studies|Environmental Science|Computer Science|Comparative Literature
Software Engineering|Civil Engineering|Occupational Therapy|English Literature|Asian Studies
Information Systems|Biomedical Engineering|Animal Science|Public Policy|Human Resources|Hispanic Studies
Hospitality Management|Art History|Mechanical Engineering|Criminal Justice|Aerospace Engineering
Speech Pathology|Business Administration|Chemical Engineering|Film Production|Early Childhood Education
Actuarial Science|Urban Planning|Landscape Design|Graphic Design|Interior Design|Nuclear Engineering
Atmospheric Science|Physical Therapy|French Studies|International Relations|Molecular Genetics
African Studies|Supply Chain Management|Structural Engineering|Religious Studies|Electrical Engineering
Food Science|Cognitive Science|Industrial Engineering|Environmental Engineering|Real Estate
Veterinary Medicine|Media Studies|Special Education|Data Science|Petroleum Engineering|Marine Biology
Game Design|Plant Pathology
""".strip()
    .replace("\n", "|")
    .split("|")
)

EMPLOYERS = tuple(
    """
Nimbus|Veltrix|Corvane|Lumenda|Brightline|Quantia|Ironleaf|Solvanta|Arbortek|Novelune|Pinnacle|Meridian
Zephyr|Cobaltic|Tandem|Hexalume|Stratus|Orbitra|Fluxon|Granitex|Helixa|Junoworks|Kinetiq|Lodestar|Mosaic
Northwind|Opaline|Paragon|Quarry|Redshift|Sablefin|Tessera|Umbrio|Vantage|Wavecrest|Xenolith|Yonderly
Zenithal|Aerovia|Bluestem|Cascadia|Dynamar|Emberly|Fathom|Glasswing|Harborline|Inkwell|Jetstone|Keystone
Luminor|Marquetry|Nectarine|Outrider|Polefinder|Quillon|Riverbend|Silvanta|Trellis|Uplandia|Verdigris
Windrose|Axiomatic|Bramblewood|Cinderbox|Island Breeze Cruises|Ironwood Machinery|Deepwater Drilling
Delta Forge|Crown Ceramics|Polaris Sensors|Cipher Security|Elkhorn Outfitters|Summit Elevators
Birchwood Media|Alpine Foods|Gossamer Fabrics|Compass Travel|Palisade Investments|Atlas Freight
Bedrock Minerals|Garnet Securities|Kite Payments|Regal Carpets|Obsidian Alloys|Oasis Water
Owl Creek Press|Glacier Beverages|Overlook Properties|Mystic Harbor Seafood|Grasshopper Toys
Raven Cybersecurity|Redwood Lumber|Bluebell Dairy|Onyx Motors|Osprey Outdoor|Sequoia Genetics
Moonstone Jewelry|Sagebrush Ranches|Beacon Energy|Lattice Semiconductors|Hilltop Publishing
Hummingbird Systems|Lotus Wellness|Violet Hill Media|Eclipse Solar|Apex Turbines|Saffron Kitchens
Diamond Ridge Mining|Fieldstone Farms|Mango Street Market|Nightingale Care|Great Oak Insurance
Hearthside Bakeries|Foxglove Cosmetics|Galaxy Networks|Juniper Ridge Wines|Sapphire Devices
Feather Bedding|Pebble Creek Homes|Equinox Lighting|Panther Cycles|Pineapple Records|Coastal Shipping
Peregrine Research|Chestnut Holdings|Boreal Paper|Cypress Analytics|Cavern Data|Greenfield Organics
Laurel Wealth|Banner Textiles|Tulip Greetings|Tornado Fans|Paper Crane Design|Blackthorn Capital
Swift Fox Logistics|Nebula Cloud|Capstone Builders|Clarion Telecom|Greystone Legal|Red Lantern Theaters
Blue Heron Software|Tidal Dynamics|Sunflower Oils|Maplewood Guitars|Kingfisher Boats|Mainsail Ventures
Lighthouse Audio|Sparrow Messaging|Bold Arc Studios|Granite Peak Cement|Evergreen Timber|Bridgeway Bank
Pathfinder Tours|Jigsaw Analytics|Quicksilver Delivery|Golden Plains Grain|Canopy Health|Rosewood Pianos
Amber Logistics|First Harvest Bank|Flint Tools|Bronze Gate Partners|Forge Dynamics|Lilac Fragrances
Velvet Upholstery|Lionheart Security|Skylark Airways|Gateway Imports|Turquoise Travel|Ripple Acoustics
Pelican Storage|Indigo Software|Orchid Diagnostics|Bonfire Games|Lantern Books|Echo Labs
Four Rivers Trust|Nutmeg Catering|Crosswind Power|Gilded Page Press|Jade Mountain Tea|Plateau Mining
Firefly Electric|Olive Branch Foods|Monarch Chemicals|Origin Genomics|Noble Grid|Chalkboard Learning
Union Harbor Bank|Lakeside Credit Union|Silver Birch Advisors|Pegasus Transport|Comet Couriers
Rocket Batteries|Anchor Insurance|Aspen Mutual|Clover Pharmacy|Crescent Steel|Sandstone Masonry
Midland Rubber|Coral Bay Resorts|Meadowlark Farms|Cornerstone Realty|Spruce Analytics
Clearwater Utilities|Crystal Optics|Crimson Brands|Quartz Timing|Thunderbolt Engines|Maverick Trucks
Kaleidoscope Films|Calico Furniture|Halcyon Hospitals|Linden Law Group|Dawnlight Pharma
Prairie Wind Power|Tangerine Telecom|Jubilee Events|Citrus Grove Foods|Cactus Apparel|Seabright Yachts
Milestone Surveying|Acorn Robotics|Topaz Instruments|Prism Displays|Mirror Lake Glass|Earthtone Paints
Hammerhead Construction|Dragonfly Drones|Snowcap Creamery|Thistle Spirits|Cedarline Motors
Emerald City Foods|Buckeye Pipelines|Hydra Pumps|Highland Distillers|Magnolia Interiors
Heritage Tractors|Pioneer Plastics|Timberline Skis|Flagship Marine|Mercury Express|Frontier Rail
Starling Finance|Azure Biotech|Horizon Broadcasting|Mosswood Nurseries|North Pole Refrigeration
Driftwood Hotels|Epoch Watches|Kestrel Avionics|Falcon Defense|Domino Packaging|Plumtree Kitchens
Wildflower Honey|Raindrop Irrigation|Gulfstar Petroleum|Navigator Maps|Omega Bearings
Ocean Crest Fisheries|Endeavor Aerospace|Walnut Grove Cabinets
""".strip()
    .replace("\n", "|")
    .split("|")
)

HEADQUARTERS = tuple(
    """
Lisbon|Toronto|Denver|Dallas|Houston|Dublin|Portland|Portland|Boston|Denver|Boston|Houston|Memphis
Vienna|Geneva|Boston|Vienna|Salem|Boston|Vienna|Bristol|Denver|Toronto|Miami|Boston|Salem|Dallas|Chicago
Phoenix|Chicago|Ravenna|Tucson|Ravenna|Boise|Boston|Houston|Dallas|Reno|Memphis|Eugene|Seattle|Lisbon
Madrid|Cardiff|Ravenna|Syracuse|Tampa|Tampa|Reno|Winnipeg|Ravenna|Atlanta|Phoenix|Hartford|Pittsburgh
Halifax|Eugene|Winnipeg|Oslo|Fresno|Leeds|Vienna|Hartford|Fresno|Geneva|Denver|Hobart|Lake Arden
Cherry Hill|Geneva|Falls Church|Lahore|Oklahoma City|Nashville|Nairobi|Geneva|Iron Mountain
Corpus Christi|Bologna|Utrecht|Regensburg|Stone Bridge|Calgary|Toledo|Wellington|Perth|Busan|Montevideo
Lake Arden|Utrecht|Dakar|Ann Arbor|Geneva|Nashville|Geneva|Geneva|Buenos Aires|Gdansk|Oklahoma City
Montreal|Pasadena|Chennai|Geneva|Rochester|Auckland|Fort Wayne|Montreal|Hong Kong|Nairobi|Munich|Akron
Utrecht|Geneva|South Brenley|Nantes|Utrecht|Dakar|Portland|Bergen|Lake Arden|Jersey City|Geneva
Marseille|Denver|Aarhus|Battle Creek|Granada|Busan|Oklahoma City|Alder Falls|Nashville|Perth|Santa Fe
Lake Arden|Lake Arden|Maple Hollow|Tunis|Lake Arden|Palo Alto|Lake Arden|Jaipur|Little Rock|Long Beach
Walnut Creek|Bristol|Coimbra|Corpus Christi|Maple Hollow|Glen Cove|Cape Town|Utrecht|Trieste|Nashville
Vilnius|Bangkok|Laredo|Zagreb|Busan|Milton Keynes|Walnut Creek|Oslo|Osaka|Nagoya|Prague|Auckland|Kampala
Albany|Geneva|Colombo|Helsinki|Chicago|Eagle Pass|Falls Church|Geneva|Tunis|Jakarta|Fresno|Leiden
Utrecht|Port Elden|Jersey City|Bergen|Wellington|Manila|Dakar|Oklahoma City|Falls Church|Pittsburgh
Leeds|Buffalo|Geneva|Denver|Lake Arden|Perth|Nagoya|Santa Fe|Redwood City|Laredo|East Wexley|Sioux Falls
Utrecht|Lake Arden|Colombo|Sioux Falls|Portland|Salt Lake City|Fresno|Glasgow|Edmonton|Denver|Lisbon
Geneva|Nagoya|Lake Arden|Santa Cruz|Rock Hill|Tel Aviv|Ghent|Geneva|Laredo|Battle Creek|Mount Calder
Mountain View|Quito|San Diego|Copper Canyon|Lake Arden|Geneva|Pune|Tallinn|Perth|Geneva|Bergen|Geneva
Dublin|Geneva|Cedar Rapids|Tacoma|Busan|Fort Wayne|Sioux Falls|Nantes|Lake Arden|Lake Arden|Hanoi|Hobart
Geneva|Hanoi|Tel Aviv|Geneva|Toulouse|Perth|Montevideo|Quito|Maple Hollow|Buffalo|Hamburg|Geneva
Santa Clara|Lake Arden|Glasgow|San Antonio|Montevideo
""".strip()
    .replace("\n", "|")
    .split("|")
)
