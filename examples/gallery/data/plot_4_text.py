"""
Words as columns
================

Each word of a text is a column, and nearly all entries are zero. gradline takes such a sparse matrix as it is. Which words go with many stars?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

import gradline as gl

rng = np.random.default_rng(13)
worth = {"works": 0.8, "sturdy": 0.5, "quick": 0.4, "box": 0.0, "blue": 0.0, "today": 0.0, "late": -0.5, "loud": -0.4, "broken": -1.0}
texts = [" ".join(rng.choice(list(worth), size=rng.integers(3, 9))) for _ in range(600)]
stars = np.array([3 + sum(worth[word] for word in text.split()) for text in texts]) + rng.normal(0, 0.7, size=600)
print(texts[0], "->", round(stars[0], 1), "stars")

# %%
words = CountVectorizer()
counts = words.fit_transform(texts)
print(f"{counts.shape[0]} texts, {counts.shape[1]} words, {counts.nnz / np.prod(counts.shape):.0%} of the entries are not zero")
fit = gl.fit(counts, stars, names=list(words.get_feature_names_out()))

# %%
# Stars for each time a word occurs, with its interval.
gl.plot.coefficients(fit, intercept=False, xlabel="stars for each time it occurs")
plt.show()
