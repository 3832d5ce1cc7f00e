"""A Dask cluster of two worker processes with a counter actor, driven line by line over standard input.

Prints a line when it is ready, then answers each request with one line: numbers with spaces between them.
  call N      N calls in turn, the time of each in milliseconds
  pipelined N N calls at once: calls a second
  create N    N creations in turn, the time of each in milliseconds
  tasks N     N trivial tasks by map and gather: tasks a second
"""
import logging
import sys
from time import perf_counter

from distributed import Client, LocalCluster


class Counter:
    n = 0

    def increment(self):
        self.n += 1
        return self.n


def nothing(x):
    return x


def milliseconds(count, run):
    times = []
    for _ in range(count):
        start = perf_counter()
        run()
        times.append((perf_counter() - start) * 1000)
    return times


def rate(count, run):
    start = perf_counter()
    run()
    return [count / (perf_counter() - start)]


def main():
    logging.disable(logging.CRITICAL)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            counter = client.submit(Counter, actor=True).result()
            created = []
            serial = 0
            print("ready", flush=True)
            for line in sys.stdin:
                what, number = line.split()
                count = int(number)
                if what == "call":
                    answer = milliseconds(count, lambda: counter.increment().result())
                elif what == "pipelined":
                    def calls():
                        for future in [counter.increment() for _ in range(count)]:
                            future.result()
                    answer = rate(count, calls)
                elif what == "create":
                    answer = milliseconds(
                        count, lambda: created.append(client.submit(Counter, actor=True).result())
                    )
                    created.clear()
                elif what == "tasks":
                    serial += count
                    numbers = range(serial, serial + count)
                    answer = rate(count, lambda: client.gather(client.map(nothing, numbers)))
                else:
                    answer = []
                print(" ".join(map(str, answer)), flush=True)


if __name__ == "__main__":
    main()
