"""First, middle and last names of the synthetic people: three pairwise disjoint lists of single
words, original to this project and shuffled, so that any prefix of a list is a fair sample of it."""

FIRST_NAMES = tuple(
    """
Edith Eliza Jeremy Maximilian Marek Alan Griselda Kwame David Khadija Maude Bogdan Salma Mateo Flora
Montague Trudy Piotr Adam Timothy Donna Isaiah Randolph Lottie Wendell Annabel Tessa Nikolai Effie John
Evelyn Cynthia Camilla Gideon Sophia Sadiq Romola Isabella Soledad Ashley Justina Theodora Olive Michael
Pablo Ayumi Cicely Chelsea Mirabel Edwina Iris Ursula Melinda Jerome Harold Esteban Michelle Pilar
Danica Ariel Zoltan Mariam Bjorn Rhoda Wendy Hubert Lloyd Luis Maisie Tracy Ansel Matteo Otis Nell
Gloria Marcus Raphael Ingrid Floyd Paige Arabella Anita Marjorie Rajesh Perpetua Catherine Stanley Myra
Vladimir Reginald Qasim Alec Haruki Mercedes Henrietta Jonathan Petra Leif Samson Saoirse Simon
Guinevere Nathaniel Sandra Anna Imogen Crispin Enid Parisa Jasper Wallace Nina Siddharth Ivana Gavin
Louis Pranav Phoebe Cora Tobias Sonia Malvina Gail Leila Shannon Adaeze Ivan Ruby Dorothy Quentin Mamie
Faye Matthew Hermione Joaquin Geraldine Lakshmi Melanie Felix Prudence Marigold Xavier Thaddeus Carl
Patrick Juanita Dagmar Santiago Lyle Cornelius Marietta Kirsten Daiki Brendan Isadora Siegfried Heidi
Tadeusz Mikhail Wei Gemma Levi Edward Rose Bertha Marianne Nora Clifford Gilda Gilbert Maurice Courtney
Sigmund Octavia Roderick Agatha Fernanda Esperanza Edwin Sakura Horatio Aoife Roya Martina Kristen
Rudolph Shirley Percival Xiomara Alvin Gladys Morgan Eunice Roland Stuart Irene Natalie Cecilia Hideo
Adela Jamal Mortimer Sanjay Sarah Pradeep Elias Hamid Richard Audrey Dimitri Enrique Jelena Stella
Sheila Usha Ella Sunita Anthony Scarlett Keira Florence Leslie Isabel Adele Oliver Ayesha Hope Cyril
Ricardo Georgia Janice Graham Constance Deirdre Deepak Vaughn Marion Mildred Amir Honor Harriet Lynette
Rita Tabitha Fern Melvin Dinah Samuel Amy Martha Magnus Anjali Arlene Yelena Larissa Lisa Lilian Malcolm
Glenn Abdul Ulysses Winona Hiroshi Roberta Joan Mustafa Saul Louisa Juan Leo Noor Beatrice Neil Polly
Farid Cameron Sabrina Gabriella Dylan Susan Caroline Loretta Malik Catalina Lucas Noel Phineas Pedro
Marina Grace George Jean Antonio Natalia Axel Ismail Veronica Vivian Mohan Howard Amelia Mimi Alma
Andrew Doris Meredith Clyde Eugenia Evangeline Elizabeth Hattie Karen Meryl Ophelia Astrid Nadia Joyce
Emre Ibrahim Jamie Hadley Lambert Cleo Tristan Kiran Valentine Arthur Liam Abigail Manfred Linda Rania
Kalina Viktor Leonora Margaret Jill Klara Angela Bridget Jane Lorenzo Gerald Jason Ida Minnie Melissa
Warren Casimir Raymond Virginia Sergei Cecil Selma Teresa Freya Kenneth Joanna Karl Ronald Alice Elaine
Julius Dariusz Mahmoud Diana Geoffrey Khalid Peggy Samantha Winston Hiram Damian Simone Belinda Latifa
Lucian Daphne Benjamin Elif Hassan Rashid Sally Lucinda Lila Yvette Millicent Betty Zoe Willa Leticia
Curtis Katherine Vanessa Valerie Odette Jeremiah Seth Edgar Conrad
""".split()
)

MIDDLE_NAMES = tuple(
    """
Darius Darlene Henry Lorena Ulric Roxanne Elena Samir Paula Giulia Jacob Beatriz Colin Augusta Leroy
Anil Hester Claude Heather Eduardo Jared Lucille Alfred Hazel Aleksandra Marissa Rosario Francesca
Myrtle Bilal Alessia Della Lucy Maura Keith Marie Dolores Thelma Noelle Basil Gabriel Jolene Lorraine
Valentina Chloe Hugh Thomas Bonnie Wilfred Brian Keiko Ivor Robin Clarissa Bernard Elton Bethany Alina
Ramon Jasmine Hilda Chiara Irving Sebastian Leander Delphine Gunnar Daisy Kathleen Helen Cordelia Hannah
Orville Elspeth Lionel Terence Justin Dora Gordon Brenda Milton Amara Madeline Svetlana Greta Joel Minh
Benedict Aditi Alexander Clara Naomi Harvey Radmila Kenji Una Camila Eva Bruce Takeshi Elijah Calvin
Jocelyn Janet Gillian Tatiana Priscilla Maria Rosalie Christopher Rhonda Adewale Paolo Edmund Erica
Ignatius Dawn Franklin Uma Paul Boris Jethro Emiko Carlos Peter Alvaro Shabnam Margery Nasir Amanda
Osmond Julia Manuel Ciaran Selena Edna Blanche Lucia Jorge Karim Imani Arjun Aaliyah Patience Vincent
Javier Alicia Meera Albert Oswald Walter Tara Miguel Ian Slavko Yusuf Ravi Dragana Serena Rebecca
Candace Noreen Ezekiel Lancelot Annette Nancy Ethan Winifred Olga Norman Jadwiga Humphrey Jacqueline
Akira Devika Enoch Hilary Matilda Gertrude Silvia Madge Victoria Crystal Ruth Eloise Deborah Sylvester
Rupert Jeanette Olumide Goran Josiah Eamon Mehmet Nikhil Zachary Dmitri Oksana Clive Consuelo Nadine
Nicole Magda Kevin Frederica Elise Nellie Eric Tuan Frances Theodore Gwendolyn Jaime Katrina Corinne
Carla Luther Mercy Nigel Felicity Cedric Solomon Ivy Anders Aubrey Diego Patsy Mabel Wangari Alexandra
Molly Homer Wilhelmina Natasha Leilani Jessica Esme Emeka Christian Pamela Andrei Bertram Faith Ananya
Evander Jedidiah Rohan Primrose Mary Ilse Virgil Anton Holly Emily Rowena Penelope Delia Bryony Irma
Gretchen Giovanni Stephanie Philippa Caleb Georgina Rodney Habib James Charles Frederick Isidore
Josephine Kristina Reuben Clement Alejandro Shreya Verity Lana Sabina Herman Branko Fabian Leandro Mona
Mei Caspian Helena Eriko Rufus Charlotte Barbara Marisol Ralph Donald Dominic Ignacio Pauline Joseph
Tiffany Rafael Julian Zara Aileen Kavya Rosa Genevieve Derek Luke Bruno Padma Kamala Kaito Federica
Leopold Ferdinand Reza Odessa Duncan Otto Bernadette Yvonne Tariq Kimberly Anneliese Kerry Adrian Rolf
Marcella Minerva Sharon Rosamund Neha Emma Godfrey Chidi Maxwell Asha Victor Rosalind Monica Milena Amos
Felipe Opal Kendra Arturo Hugues Kyle Juliet Wanda Ekaterina Zelda Vera Eli Ernestine Arnold Emil Kayla
Rahul Antonia Linus Nicholas Barney Lorna Lauren Regina Arash Judith Tamara Silas Kofi Suzanne Olivia
Lorelei Miriam Akio Sadie Andrea Magdalena Joshua Horace Beverly Helga Muriel Cassandra Sigrid Ali Ava
Vikram Salome Thandiwe Omar Percy Mark Orson Aiden Marcia Sinead Rex
""".split()
)

LAST_NAMES = tuple(
    """
Sanders Dhillon Pollard Quinn Nichols Hartley Pennington Wood Garza Morse Patel Petrov Dobson Melton
Kelley Mercer Hoffman Downing Cromwell Cisneros Fernandes Booth Shields Skinner Pitts Iyer Medina Singh
Cordero Tagore Ortiz Molina Brewer Warner Hightower Espinosa Hayashi Granger Drake Balakrishnan Dowling
Fields Washburn Andersen Knapp Edwards Cortez Holloway Reynolds Kendall Reed Birch Foster Davenport
Bhatt Haas Quintero Rodriguez Marks Moore Smirnov Dwyer Paddock Garrison Ostrowski Strickland Braun Diaz
Brandt Cowan Conner Gonzales Langley Contreras Adebayo Chatterjee Hidalgo Boyd Leighton Thurston Barclay
Velasquez Castro Tyler Rubio Montoya Everett Kirkland Daniels Cummings Cheng Merrill Bauer Hudson Curran
Jablonski Dillon Saavedra Yildiz Mulligan Figueroa Pettigrew Duran Yamamoto Parsons Wainwright Burgess
Cruz Bray Benavides Forrester Bingham Morales Nelson Draper Babcock Wilkins Maloney Kapoor Devereux
Albrecht Gomez Donovan Mullins Jones Hodge Caldwell Bentley Flores Carvalho Deshmukh Ware Onyango
Goodman Bernal Ramirez Velasco Hoang Fowler Prasad Montgomery Kavanagh Watson Clayborne Collins Quinlan
Pedersen Billings Silverman Altman Marlowe Fisher Samuelsson Weeks Lindgren Kessler Shukla Henderson
Meyer Schaefer Gardner Riggs Bainbridge Appleby Rahman Chen Patil Byers Harrell Nunez Rollins Maddox
Fuller Lipscomb Byrne Zavala Blackwell Hernandez Castaneda Barron Biggs Deacon Sullivan Galvan Farrell
Allison Wagner Harlow Carter Yamada Crowe Landry Tran Dennison Ivanov Stephenson Cordova Willard Chang
Andrews Soto Horton Ridley Reeves Cuevas Meadows Gilmore Seaver Colon Myers Richter Hinton Crane Bryant
King Riley Osorio Geller Rodgers Zheng Hodges Sanford Rutledge Waters Turner Tillman Whitfield Gibson
Blair Prieto Browning Joshi Guzman Nolan Mann Isaksen Odell Robinson Nazari Gerber Colbert Santos
Thompson Daugherty Vickers Matheson Bachmann Rodrigues Northcott Mills Atkins Ingram Avery Combs Beasley
Barnes Lund Salinas Savage Diggs Jarvis Todd Brooks Boateng Hyde Wright Valenzuela Tempest Iqbal Rosen
Powell Proctor Ryan Aiken Moreau Pappas Gaines Huber Pike Alcott Rhodes Springer Noble Santana Rasmussen
Desai Bolton Wilcox Greco Dalton Pacheco Alarcon Arnett Miller Cotton Ogden Burris Klein Schroeder Ruiz
Herring Ritchie Olsen Stevenson Campos Pratt Salas Kulkarni Woodruff Mayfield Russo Cabrera Dahl Rush
Hammond Bradford Mbeki Heller Winters Guerra Huerta Hartman Levine Murdock Silva Faber Covington Sethi
Wyatt Hollis Carroll Haley Amundsen Byrd Creighton Arenas Hobbs Willis Zimmerman Hubbard Sykes Pearson
Benson Cobb Williams Idowu Fairbanks Haynes Ellison Bender Cardenas Morrison Snow Crocker Gentry Leach
Bustamante Garner Engel Guthrie Bowden Zuniga Dang Baldwin Munoz Ibarra Kinney Monroe Chamberlain
Borkowski Volkov Jacobson Villanueva Dunbar Noonan Reddy Kaminski Sawyer Nixon Johnson Katz Cannon
Venkatesan Sheridan Holland Pavlov Falkner Grissom Hanson Plummer Krishnan Ferguson Walden Sanchez
Newton Diallo Sampson Sutherland Rosales Bukowski Sandoval Estrada Lowery Bouchard Rosenberg Ferrari
Miles Menon Collier Murray Ludlow Dietrich Baron Zhou Hastings Puckett Henson Lachance Snyder Newell
Coffey Lozano Zielinski Vogel Martin Britton Amador Denham Conley Foxworth Huang Hennessy Ghosh Stein
Wilder Carmichael Haney Serrano Weaver Mathis Donahue Griffith Swenson Nielsen Mayer Echols Alonso
Hewitt Svensson Leblanc Conway Jimenez Cunningham Dickerson Lucero Archer Quigley Eldridge Bancroft
Lindberg Rojas Eaton Escobar Faulkner Riddle Ramos Underwood Erickson Elliott Chung Blake Valdez Eckert
Bowen Adeyemi Larkin Bagley Greenberg Zhao Novak Whitaker Gallagher Nair Petersen Hopkins Rowland Macias
Hunter Vinson Mukherjee Tully Gibbons Middleton Parham Doherty Sexton Ashcroft Mancini Okafor Kowalski
Pereira Terrell Dorsey Scott Price Kaur Carlson Dudley Addison Robles Chou Travers Harmon Poole
Rutherford Ito Whitlock Gallegos Phelps Weiner Andrade Mohammed Camacho Lambertson Palmer Devlin Marino
Ellsworth Maldonado Swanson Navarro Angelo Osei Perez Butcher Goldstein Aquino Peck Barrera Bradshaw
Lawson Nowak Avila Varma Cantu Armstrong Trujillo Lundgren Delgado Weber Asante Suzuki Ochoa Aragon
Barton Truong Deleon Watkins Stevens Murphy Bjornstad Johansson Casey Knight Harding Crosby Hanley Downs
Fitzpatrick Haines Lee Woods Stafford Ashworth Houghton Stone Rankin Dugan Orr Roberts Mason Ray Hayden
Greer Duffy Ellington Lennox Duarte Peterson Fournier Kumar Tuttle Jefferson Nakamura Jennings Harper
Becker Wadsworth Armitage Aldridge Alvarez Edison Cahill Barber Yoshida Larson Esparza Grady Norwood
Halvorsen Hooper Phillips Lamb Mercado Adcock Jackson Wallach Lopez Rios Templeton Rossi Bracken
Sterling Gupta Atwood Holden Simmons Greenwood Bowers Lim Morrow Whitman Blackburn Holbrook Varga Voss
Barlow Nagy Tanaka Romano Carrillo Ortega Lester Baxter Perkins Jensen Bullock Hendrix Fitzgerald
Cavanaugh Winkler Dunlap Thorpe Larsen Pruitt Boyle Hurley Worthington Werner Moody Davies Balogun
Vandenberg Agarwal Ainsworth Huxley Kelly Dunham Talbot Bowman Dominguez Sepulveda Kruger Ybarra Farmer
Westbrook Brennan Egan Kozlov Smith Whittaker Karlsson Radcliffe Gustafson Grover Dodson Peacock Mishra
Connelly Eberhardt Okonkwo Ackerman Guerrero Campbell Furman Corbett Esposito Tomlinson Zamora Eastman
Livingston Blevins Kline Hirsch Dawson Graves Forsyth Wu Kurtz Wolfe Bradley Church Holt Musgrove Sasaki
Carlisle Kemp Wiggins Bogart Padgett Woodward Perry Marsh Chavez Teague Reese Rainey Siddiqui Olson
Shelton Hussain Dutton Moffett Locke Richards Freeman Fraser Banks Stewart Ayala Moreno Fairchild Orozco
Copeland Atkinson Kennedy Reid Johnston Page Blanchard Harrison Fernandez Rooney Lehmann Thornton
Ziegler Fontaine Stanton Parrish Emerson Kerr Akhtar Harrington Griffin Mackenzie Cassidy Hess Goldberg
Salazar Benitez Parks Haskell Shepherd Mackay Parker Chaudhry Hickman Cooper Appleton Bergman Haddad
Fenton Adkins Parekh Kobayashi Calhoun Kramer Lara Hashimoto Sharp Kaplan Alden Godwin Gunderson
Fujimoto Cooke Bright Keating Lynch Lyons Finnegan Steele Vega Frazier Beltran Newman Rivera Rocha
Dickens Galloway Giordano Blankenship Khan Calderon Latham Weston Huynh Schultz Schwartz Montes Knowles
Malhotra Kuznetsov Clayton Frost Kirk Mehta Ikeda Huffman Wade Gallardo Compton Matsumoto Whalen
Flanagan Wooten Jansen Pugh Boyer Alfaro Randall Decker Kellogg Hampton Chopra Lindsey Garcia Muldoon
Singleton Aguilar Wang Thakur Feldman Ramachandran Currie Bergstrom Shapiro Yates Owusu Crowley Ganguly
Delacroix Watts Dempsey Murakami Brady Bravo Summers Shaw Padilla Kowalczyk Buchanan Bennett Marin
Costello Cantrell Donnelly Cohen Tobin Qureshi Porter Jankowski Potter Patton Conti Popov Malone Bridges
Juarez Ponce Uribe Lovell Preston Deluca Webb Walton Wilson Coleman Ricci Kimball Goodwin Doyle
Pritchard Cleveland Hurst Costa Montanari York Garland Gopal Burke Sparks Matthews Hogan Woodard Gifford
Osborne Payne Stark Seymour Reilly Wiley Rowe Anderson Ramsey Jarrett Zhang Levy Mendoza Ishikawa Tate
Bloomfield Wolff Cochran Keller Wong Ewing Burns Hancock Higgins Powers Galindo Crabtree Deng Castillo
Vasquez Vance Kirby Pierce Fuentes Bartlett Maynard Pineda Platt Fielding Rao Fischer Roth Eastwood
Donaldson Keane Taylor Morton Holmes Lister Moss Rothman Barnett Mitchell Kendrick Yu Berry Buckley
Hamilton Coates Lockhart Reinhardt Simpson Nieves Sorensen Brock Stoddard Huntley Coulter Hart Ogawa
Robertson Saunders Winslow Hale Romero Callahan Schmidt Murillo Linton Haggerty Whitney Hagan Duong
Adair
""".split()
)
