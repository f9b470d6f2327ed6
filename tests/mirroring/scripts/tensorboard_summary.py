import tensorflow as tf

writer = tf.summary.create_file_writer("logs/first")
with writer.as_default():
    for step in range(5):
        tf.summary.scalar("loss", 1 / (step + 1), step=step)
        tf.summary.scalar("accuracy", step / 5, step=step)
    tf.summary.text("note", "some text", step=0)
    tf.summary.histogram("weights", [1.0, 2.0, 2.0, 3.0], step=0)
    tf.summary.image("digit", tf.zeros((1, 4, 4, 3)), step=0)
writer.close()
print("written")
