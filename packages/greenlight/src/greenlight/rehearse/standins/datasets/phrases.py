"""The words from which stand-in data sets are made; all sentences are our own."""

from __future__ import annotations

NAMES = (
    "Ada", "Boris", "Chidi", "Dana", "Élodie", "Farid", "Greta", "Hana", "Ivo", "José", "Kemal", "Lina", "Mateo",
    "Nora", "Omar", "Priya", "Quinn", "Rosa", "Søren", "Tove", "Uma", "Vera", "Wei", "Ximena", "Yusuf", "Zoë",
)  # fmt: skip
PLACES = (
    "Bergen", "Coimbra", "Dakar", "Graz", "Hanoi", "Kyoto", "Lima", "Málaga", "Nairobi", "Oslo", "Perth", "Quito",
    "Riga", "Tartu", "Utrecht", "Zürich",
)  # fmt: skip
FIRMS = ("Acorn Labs", "Brightwater", "Delta Rail", "Foxglove Books", "Harbour Foods", "Lumen Works", "Northwind")
THINGS = (
    "apples", "bottles", "bricks", "candles", "chairs", "coins", "eggs", "flowers", "kites", "lamps", "letters",
    "marbles", "notebooks", "oranges", "pencils", "plates", "ropes", "shells", "stamps", "tickets",
)  # fmt: skip
ACTS = (
    "buys", "borrows", "carries", "collects", "counts", "draws", "finds", "keeps", "paints", "repairs", "sells",
    "sends", "sorts", "washes",
)  # fmt: skip
TIMES = (
    "on Monday", "in the morning", "after school", "before lunch", "during the storm", "every week", "last winter",
    "at night", "this year", "two days later",
)  # fmt: skip
WORKS = ("film", "novel", "concert", "restaurant", "hotel", "game", "play", "album", "camera", "phone")
PARTS = ("plot", "service", "ending", "music", "price", "acting", "sound", "design", "staff", "story")
PRAISE = (
    "wonderful", "charming", "a joy from start to end", "clever and warm", "better than I had hoped", "excellent",
    "moving",
)  # fmt: skip
BLAME = ("dull", "a waste of time", "slow and cold", "worse than the first one", "badly made", "boring", "hard to bear")
SUBJECTS = (
    "the tide", "an old bridge", "a glacier", "the harvest", "a telescope", "the moon", "a beehive", "the railway",
    "a vaccine", "the market", "a new battery", "the river", "a football match", "an election", "a satellite",
    "the library",
)  # fmt: skip
FACTS = (
    "rises twice a day", "was built from stone", "loses water in summer", "feeds many families", "needs a clear sky",
    "changes the price of bread", "keeps the cold out", "carries people across the valley", "was measured again",
    "surprised the experts", "runs on solar power", "opened to the public", "is older than the town",
    "moved to a larger building", "won by three points", "sends its data to the ground",
)  # fmt: skip
REASONS = (
    "because the wind had turned", "although nobody had asked", "while the engineers were away",
    "since the road was closed", "after a long debate", "which cost more than planned", "and the children were glad",
    "so the work took longer",
)  # fmt: skip
MATHEMATICS = (
    "The sum of two even numbers is even.", "A triangle has three angles that add up to 180 degrees.",
    "Solve the equation 3x + 4 = 19 for x.", "The product of 7 and 8 equals 56, so the answer is 56.",
    "If y = 2x and x = 5, then y = 10.", "Half of 90 is 45; a third of 90 is 30.",
    "The area of a square of side 6 is 36.",
    "Let f(x) = x^2 - 1. Then f(3) = 8.", "The probability of two heads in a row is 1/4.",
    "Therefore the total is $12.50 + $7.50 = $20.00.", "How many ways are there to choose 2 of 5 cards?",
    "Each of the 12 boxes holds 30 pieces, 12 * 30 = 360.", "Simplify (a + b)^2 - (a - b)^2.",
    "The average of 10, 20 and 60 is 30.", "She paid 25 percent less, that is 75 percent of the price.",
    "What is the remainder when 100 is divided by 7?",
)  # fmt: skip
TASKS = (
    "Write a short poem about", "Explain to a child", "List three facts about", "Write a polite letter about",
    "Summarise what is known about", "Give two reasons to read about",
)  # fmt: skip
GERMAN = {
    "the tide": "die Flut", "an old bridge": "eine alte Brücke", "a glacier": "ein Gletscher",
    "the harvest": "die Ernte", "the moon": "der Mond", "the railway": "die Eisenbahn", "the market": "der Markt",
    "the river": "der Fluss",
}  # fmt: skip
GERMAN_FACTS = {
    "rises twice a day": "steigt zweimal am Tag", "was measured again": "wurde neu vermessen",
    "surprised the experts": "überraschte die Fachleute", "opened to the public": "wurde für alle geöffnet",
    "feeds many families": "ernährt viele Familien", "keeps the cold out": "hält die Kälte draußen",
}  # fmt: skip
