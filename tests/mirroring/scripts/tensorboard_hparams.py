import tensorflow as tf
from tensorboard.plugins.hparams import api as hp

units, dropout = hp.HParam("units", hp.Discrete([16, 32])), hp.HParam("dropout", hp.RealInterval(0.1, 0.5))
with tf.summary.create_file_writer("logs/tuning").as_default():
    hp.hparams_config(hparams=[units, dropout], metrics=[hp.Metric("accuracy")])
for number, (n, rate) in enumerate([(16, 0.1), (32, 0.5)]):
    with tf.summary.create_file_writer(f"logs/tuning/run-{number}").as_default():
        hp.hparams({units: n, dropout: rate})
        tf.summary.scalar("accuracy", n * rate / 100, step=1)
    print(number)
