"""A training loop of its own with a default step, and a writer for each part."""

import tensorflow as tf

train, test = (tf.summary.create_file_writer(f"logs/gradient_tape/{part}") for part in ("train", "test"))
weight = tf.Variable(1.0)
for epoch in range(3):
    tf.summary.experimental.set_step(epoch)
    with tf.GradientTape() as tape:
        loss = tf.square(weight)
    weight.assign_sub(0.1 * tape.gradient(loss, weight))
    with train.as_default():
        tf.summary.scalar("loss", loss)
    with test.as_default(), tf.name_scope("eval"):
        tf.summary.scalar("loss", tf.square(weight))
    print(epoch, round(float(loss), 4))
