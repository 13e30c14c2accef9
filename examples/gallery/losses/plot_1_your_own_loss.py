"""
A loss of one's own
===================

Coming late costs three times as much as coming early. Write that down as a function of what was seen and what was predicted. Automatic
differentiation finds its derivatives.
"""

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import gradline as gl

rng = np.random.default_rng(2)
distance = rng.uniform(1, 20, size=400)
minutes = 5 + 3 * distance + rng.gamma(2.0, 1.0 + 0.4 * distance)


def late_costs_more(y, prediction):
    late = y - prediction
    return tf.where(late > 0, 3.0 * tf.square(late), tf.square(late))  # one number a row


promise = gl.fit(distance, minutes, loss=late_costs_more)
mean = gl.fit(distance, minutes)
print(promise)
print(promise.certificate.reason)

# %%
# The promised time lies above the mean: whoever pays three times for being late had better promise more.
gl.plot.fit({"mean": mean, "late costs more": promise}, distance, minutes, xlabel="distance (km)", ylabel="minutes")
plt.show()
