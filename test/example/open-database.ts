// `open-database.ts URL`: opens the example's database as one of several processes, and prints how many clients and bookings it has.
import { openDatabase } from '../../example-app/database.ts';

const { prisma } = await openDatabase(process.argv[2]);
console.log(await prisma.client.count(), await prisma.booking.count());
await prisma.$disconnect();
