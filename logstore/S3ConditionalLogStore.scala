package carillon

import java.io.IOException
import java.lang.{Boolean => JBoolean}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.FileAlreadyExistsException
import java.util.{Arrays, Iterator => JIterator}

import io.delta.storage.HadoopFileSystemLogStore
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileSystem, Path}
import org.apache.hadoop.fs.Options.CreateFileOptionKeys.FS_OPTION_CREATE_CONDITIONAL_OVERWRITE
import org.apache.hadoop.fs.s3a.AWSServiceIOException

/** A Delta log store for S3 on which any number of drivers may commit to one table.
  *
  * Invariant: of all writers of one commit file exactly one succeeds. S3 itself arbitrates: the object is sent by a single
  * PUT (or CompleteMultipartUpload) that carries `If-None-Match: *`. The losers see FileAlreadyExistsException, upon which
  * Delta checks for a conflict and tries the next version.
  *
  * It does not serve stores without conditional writes: there the create is refused by the store, and no commit succeeds.
  */
class S3ConditionalLogStore(initHadoopConf: Configuration) extends HadoopFileSystemLogStore(initHadoopConf) {
  import S3ConditionalLogStore._

  override def write(path: Path, actions: JIterator[String], overwrite: JBoolean, hadoopConf: Configuration): Unit = {
    val fs = path.getFileSystem(hadoopConf)
    val bytes = encode(actions)
    if (overwrite) put(fs, path, bytes, conditional = false)
    else createOnce(fs, path, bytes, conflictsLeft = MaxConflicts)
  }

  /** A PUT is visible whole or not at all, so readers need no detour by a rename. */
  override def isPartialWriteVisible(path: Path, hadoopConf: Configuration): JBoolean = false

  private def createOnce(fs: FileSystem, path: Path, bytes: Array[Byte], conflictsLeft: Int): Unit =
    try put(fs, path, bytes, conditional = true)
    catch {
      case refused: IOException =>
        // Below us the SDK and S3A repeat a PUT whose answer was lost. If the first one had landed, the second is refused
        // by our own file: that is success. Every commit carries a unique txnId, so equal bytes can only be ours.
        existing(fs, path) match {
          case Some(found) if Arrays.equals(found, bytes) => ()
          case Some(_) => throw alreadyExists(path, refused)
          case None if isConflict(refused) && conflictsLeft > 0 =>
            // 409: S3 could not decide between requests in flight and asks for another try.
            Thread.sleep(ConflictPauseMs)
            createOnce(fs, path, bytes, conflictsLeft - 1)
          case None => throw refused
        }
    }

  private def put(fs: FileSystem, path: Path, bytes: Array[Byte], conditional: Boolean): Unit = {
    val builder = fs.createFile(path).overwrite(true).recursive()
    // `must`: a file system that does not know the option refuses it, instead of overwriting in silence.
    if (conditional) builder.must(FS_OPTION_CREATE_CONDITIONAL_OVERWRITE, true)
    val stream = builder.build()
    // S3A sends the object in close(); a failed write() must therefore not reach it with half of the bytes.
    stream.write(bytes)
    stream.close()
  }

  private def existing(fs: FileSystem, path: Path): Option[Array[Byte]] =
    try {
      val stream = fs.open(path)
      try Some(stream.readAllBytes())
      finally stream.close()
    } catch { case _: java.io.FileNotFoundException => None }
}

object S3ConditionalLogStore {
  private val MaxConflicts = 10
  private val ConflictPauseMs = 50L

  private def encode(actions: JIterator[String]): Array[Byte] = {
    val text = new java.lang.StringBuilder
    actions.forEachRemaining(action => text.append(action).append('\n'))
    text.toString.getBytes(UTF_8)
  }

  private def isConflict(error: IOException): Boolean = error match {
    case service: AWSServiceIOException => service.statusCode() == 409
    case _ => false
  }

  private def alreadyExists(path: Path, cause: IOException): FileAlreadyExistsException = {
    val exists = new FileAlreadyExistsException(path.toString)
    exists.initCause(cause)
    exists
  }
}
