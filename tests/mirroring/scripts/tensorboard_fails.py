import tensorflow as tf

with tf.summary.create_file_writer("logs").as_default():
    tf.summary.scalar("loss", 1.0, step=0)
    raise ValueError("the loss is not a number")
